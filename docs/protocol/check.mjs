// Checks vectors.json without any of Starhash's code: node docs/protocol/check.mjs
//
// It is a second reading of sealed-link.md: both ends, as far as Node.js 20 has
// the primitives. It has no ML-KEM, so that ML-KEM's shared secret is taken from
// the file; everything after it, and the whole of the PIN capsule, is computed.
// No dependencies; not an implementation to run a bank on.

import * as crypto from 'node:crypto'
import { readFileSync } from 'node:fs'

const vectors = JSON.parse(readFileSync(process.argv[2] ?? new URL('vectors.json', import.meta.url)))
const { inputs } = vectors

// ---- bytes

const hex = s => Buffer.from(s, 'hex')
const text = s => Buffer.from(s, 'utf8')
const cat = (...parts) => Buffer.concat(parts)
const u16 = n => { const b = Buffer.alloc(2); b.writeUInt16BE(n); return b }
const sha256 = (...parts) => crypto.createHash('sha256').update(cat(...parts)).digest()

class Refusal extends Error {
  constructor (code, authenticated) { super(code); this.code = code; this.authenticated = authenticated }
}
const refuse = code => { throw new Refusal(code) }

let checks = 0
function same (what, got, want) {
  checks++
  const show = v => Buffer.isBuffer(v) ? v.toString('hex') : JSON.stringify(v)
  if (show(got) !== show(want)) throw new Error(`${what}\n  computed ${show(got)}\n  file     ${show(want)}`)
}

// ---- primitives

const derive = (ikm, salt, info) => Buffer.from(crypto.hkdfSync('sha256', ikm, salt, info, 32))
const nonce = Buffer.alloc(12)

function seal (key, plain, ad) {
  const c = crypto.createCipheriv('aes-256-gcm', key, nonce).setAAD(ad)
  return cat(c.update(plain), c.final(), c.getAuthTag())
}

function open (key, sealed, ad) {
  if (sealed.length < 16) refuse('bad seal')
  const d = crypto.createDecipheriv('aes-256-gcm', key, nonce).setAAD(ad)
  d.setAuthTag(sealed.subarray(-16))
  try { return cat(d.update(sealed.subarray(0, -16)), d.final()) } catch { refuse('bad seal') }
}

const x25519Private = raw => crypto.createPrivateKey({ key: cat(hex('302e020100300506032b656e04220420'), raw), format: 'der', type: 'pkcs8' })
const x25519Public = raw => crypto.createPublicKey({ key: cat(hex('302a300506032b656e032100'), raw), format: 'der', type: 'spki' })
const x25519PublicOf = key => crypto.createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32)

// RFC 9180 §4 and §5, HKDF-SHA256, AES-256-GCM, mode base, export only.
const extract = (salt, ikm) => crypto.createHmac('sha256', salt).update(ikm).digest()
const expand32 = (prk, info) => crypto.createHmac('sha256', prk).update(cat(info, Buffer.from([1]))).digest()
const labelled = suite => ({
  extract: (salt, label, ikm) => extract(salt, cat(text('HPKE-v1'), suite, text(label), ikm)),
  expand: (prk, label, info) => expand32(prk, cat(u16(32), text('HPKE-v1'), suite, text(label), info))
})

function hpkeExport (kem, shared, info, context) {
  const l = labelled(cat(text('HPKE'), u16(kem), u16(1), u16(2)))
  const none = Buffer.alloc(0)
  const schedule = cat(Buffer.from([0]), l.extract(none, 'psk_id_hash', none), l.extract(none, 'info_hash', info))
  return l.expand(l.expand(l.extract(shared, 'secret', none), 'exp', schedule), 'sec', context)
}

// ---- header and fields

const HEADER = 44
const types = { epochRequest: 1, epochReply: 2, join: 3, joined: 4, open: 5, opened: 6, transact: 7, reply: 8, error: 9 }
const codes = [, 'malformed', 'unknown static key', 'unknown epoch', 'unknown serial', 'expired serial', 'replayed serial',
  'authentication mismatch', 'bad seal', 'busy']

const name8 = s => cat(text(s), Buffer.alloc(8 - s.length))

function header (type, epoch = Buffer.alloc(8), serial = Buffer.alloc(16)) {
  return cat(Buffer.from([1, 1, type, 0]), name8(inputs.operator), name8(inputs.static_key_id), epoch, serial)
}

function readName (b) {
  const s = b.toString('latin1').replace(/\0+$/, '')
  if (!/^[0-9A-Za-z-]{1,8}$/.test(s)) refuse('malformed')
  return s
}

function readHeader (msg) {
  if (msg.length < HEADER || msg.length > 1 << 20) refuse('malformed')
  if (msg[0] !== 1 || msg[1] !== 1 || msg[3] !== 0) refuse('malformed')
  return { type: msg[2], operator: readName(msg.subarray(4, 12)), keyID: readName(msg.subarray(12, 20)),
    epoch: msg.subarray(20, 28), serial: msg.subarray(28, 44), bytes: msg.subarray(0, HEADER) }
}

class Reader {
  constructor (b) { this.b = b }
  take (n) {
    if (n > this.b.length) refuse('malformed')
    const out = this.b.subarray(0, n)
    this.b = this.b.subarray(n)
    return out
  }

  u8 () { return this.take(1)[0] }
  u16 () { return this.take(2).readUInt16BE() }
  u32 () { return this.take(4).readUInt32BE() }
  i64 () { return Number(this.take(8).readBigInt64BE()) }
  str () { return this.take(this.u8()).toString('utf8') }
  blob () { return this.take(this.u16()) }
  digits () { const s = this.str(); if (!/^[0-9]{0,15}$/.test(s)) refuse('malformed'); return s }
  identity () {
    const id = { source: this.u8(), imsi: this.digits(), msisdn: this.digits() }
    if (id.imsi === '' || id.msisdn === '' || (id.source !== 1 && id.source !== 2)) refuse('malformed')
    return id
  }

  end () { if (this.b.some(c => c !== 0)) refuse('malformed') }
}

const readers = {
  epochReply (plain) {
    const r = new Reader(plain)
    const f = { epoch_public_key: r.take(1216).toString('hex'), life_seconds: r.u32(), keys: r.u32(), last_boot: r.u32() }
    r.end()
    return f
  },
  opening (plain) {
    const r = new Reader(plain)
    const f = { ...r.identity(), serial: r.take(16).toString('hex') }
    f.serial_text = crockford(hex(f.serial))
    f.at = r.i64()
    r.end()
    return f
  },
  request (plain) {
    const r = new Reader(plain)
    const f = { ...r.identity(), txid: r.take(16).toString('hex'), kind: r.u8(), amount: r.i64(), currency: r.str(), payee: r.digits(),
      pin: r.blob().toString('hex'), new_pin: r.blob().toString('hex'), target: r.take(16).toString('hex'), asked: r.i64(),
      new_pin_again: r.blob().toString('hex'), biller: r.str(), account: r.str(), auth: r.u8() }
    r.end()
    if (!/^[A-Z0-9]{0,20}$/.test(f.biller) || !/^[ -~]{0,20}$/.test(f.account) || f.auth > 1) refuse('malformed')
    return f
  },
  reply (plain) {
    const r = new Reader(plain)
    const f = { outcome: r.u8(), tries_left: r.u8(), amount: r.i64(), fee: r.i64(), balance: r.i64(), currency: r.str(), payee: r.digits(),
      payee_name: r.str(), payer_name: r.str(), at: r.i64(), lines: [] }
    const n = r.u8()
    if (n > 10) refuse('malformed')
    for (let i = 0; i < n; i++) f.lines.push({ at: r.i64(), amount: r.i64(), kind: r.u8(), party: r.str() })
    f.account = r.str()
    r.end()
    if (!/^[ -~]{0,20}$/.test(f.account)) refuse('malformed')
    if (f.outcome < 1 || f.outcome > 20) refuse('malformed')
    return f
  }
}

function crockford (b) {
  let n = BigInt('0x' + b.toString('hex'))
  let s = ''
  for (let i = 0; i < 26; i++, n >>= 5n) s = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[Number(n & 31n)] + s
  return s
}

const numbered = number => number.subarray(0, 2).equals(sha256(text(inputs.operator)).subarray(0, 2))

// ---- keys

const sk = hex(inputs.static_key)
const keys = {
  epochRequest: nonce => derive(sk, nonce, 'starhash/1 epoch request'),
  epochReply: (request, head) => derive(sk, sha256(request, head), 'starhash/1 epoch reply'),
  join: es => derive(es, '', 'starhash/1 join'),
  joined: (es, join, head) => derive(es, sha256(join, head), 'starhash/1 joined'),
  initial: head => derive(sk, head, 'starhash/1 initial'),
  open: (es, body) => derive(es, sha256(body), 'starhash/1 open'),
  opened: (es, msg, head) => derive(es, sha256(msg, head), 'starhash/1 opened'),
  dynamic: (es, which, serial, id) => derive(es, '', cat(text('starhash/1 dynamic ' + which), serial,
    sha256(Buffer.from([id.imsi.length]), text(id.imsi), Buffer.from([id.msisdn.length]), text(id.msisdn)))),
  error: (request, head) => derive(sk, sha256(request, head), 'starhash/1 error')
}

const message = name => hex(vectors.messages.find(m => m.name === name).message)
const epochRequest = message('EpochRequest')
const epochReply = message('EpochReply')

// epochSecret is what the bank computes of a Join.
function epochSecret (join) {
  const enc = join.subarray(HEADER, HEADER + 1120)
  const seed = crypto.createHash('shake256', { outputLength: 96 }).update(hex(inputs.epoch_private_key)).digest()
  const own = x25519Private(seed.subarray(64))
  let shared
  try {
    shared = crypto.diffieHellman({ privateKey: own, publicKey: x25519Public(enc.subarray(1088)) })
  } catch { refuse('bad seal') }
  // Another ML-KEM cipher text decapsulates to a secret that nobody knows.
  const known = enc.subarray(0, 1088).equals(hex(vectors.hpke.encapsulation).subarray(0, 1088))
  const pq = known ? hex(vectors.hpke.ml_kem_shared_secret) : crypto.randomBytes(32)
  const kem = crypto.createHash('sha3-256').update(cat(pq, shared, enc.subarray(1088), x25519PublicOf(own), text('\\.//^\\'))).digest()
  const info = cat(text('starhash/1 epoch'), sha256(epochRequest), sha256(epochReply))
  const exported = hpkeExport(0x647a, kem, info, text('starhash/1 epoch export'))
  const secretInfo = cat(text('starhash/1 epoch secret'), sha256(epochRequest), sha256(epochReply), sha256(join.subarray(0, HEADER + 1120)))
  return { shared, kem, info, exported, secretInfo, es: derive(exported, sk, secretInfo), publicTail: x25519PublicOf(own) }
}
const agreed = epochSecret(message('Join'))
const es = agreed.es

// ---- the bank's end, without a database

class Bank {
  constructor () { this.serials = new Map(); this.opens = new Set(); this.at = inputs.opened_at }

  header (type, msg) {
    const h = readHeader(msg)
    if (h.operator !== inputs.operator || h.keyID !== inputs.static_key_id) refuse('unknown static key')
    if (h.type !== type) refuse('malformed')
    return h
  }

  epoch (msg) {
    this.header(types.epochRequest, msg)
    if (msg.length !== 94) refuse('malformed')
    const ad = msg.subarray(0, 76)
    return { node: open(keys.epochRequest(ad.subarray(HEADER)), msg.subarray(76), ad).readUInt16BE() }
  }

  join (msg) {
    const h = this.header(types.join, msg)
    if (msg.length !== HEADER + 1120 + 16) refuse('malformed')
    if (!h.epoch.equals(hex(inputs.epoch_id))) refuse('unknown epoch')
    const ad = msg.subarray(0, HEADER + 1120)
    open(keys.join(epochSecret(msg).es), msg.subarray(ad.length), ad)
  }

  open (msg) {
    const h = this.header(types.open, msg)
    if (msg.length < HEADER + 2 + 16) refuse('malformed')
    if (!h.epoch.equals(hex(inputs.epoch_id)) || this.at > inputs.opened_at + 60) refuse('unknown epoch')
    const body = msg.subarray(0, -16)
    open(keys.open(es, body), msg.subarray(-16), body)
    const r = new Reader(body.subarray(HEADER))
    const n = r.u16()
    if (n === 0 || n > 1024) refuse('malformed')
    if (this.opens.has(msg.toString('hex'))) refuse('replayed serial')
    this.opens.add(msg.toString('hex'))
    const entries = []
    for (let i = 0; i < n; i++) entries.push({ serial: r.take(16), sealed: r.blob() })
    r.end()
    return entries.map(({ serial, sealed }) => {
      try {
        const head = header(types.open, h.epoch, serial)
        const o = readers.opening(open(keys.initial(head), sealed, head))
        if (o.serial !== serial.toString('hex') || !numbered(serial)) refuse('authentication mismatch')
        return o
      } catch (e) { return e }
    })
  }

  finish (entries, results) {
    entries.forEach((o, i) => { if (results[i] === 1) this.serials.set(o.serial, o) })
  }

  transact (msg) {
    const h = this.header(types.transact, msg)
    const o = this.serials.get(h.serial.toString('hex'))
    if (!o) refuse('unknown serial')
    if (this.at > inputs.opened_at + inputs.key_life_seconds) refuse('expired serial')
    if (!h.epoch.equals(hex(inputs.epoch_id))) refuse('bad seal')
    const q = readers.request(open(keys.dynamic(es, 'request', h.serial, o), msg.subarray(HEADER), h.bytes))
    if (q.imsi !== o.imsi || q.msisdn !== o.msisdn) refuse('authentication mismatch')
    if (!numbered(hex(q.txid)) || (q.kind === 5 && !numbered(hex(q.target)))) refuse('authentication mismatch')
    return q
  }
}

// ---- the gateway's end

function gateway (path, sent, answer) {
  const h = readHeader(answer)
  if (h.type === types.error) {
    if (answer.length !== HEADER + 1 + 16) throw new Refusal('malformed', false)
    const head = answer.subarray(0, HEADER + 1)
    let authenticated = true
    try { open(keys.error(sent, head), answer.subarray(head.length), head) } catch { authenticated = false }
    throw new Refusal(codes[answer[HEADER]] ?? 'malformed', authenticated)
  }
  const body = answer.subarray(HEADER)
  const expect = type => {
    if (h.type !== type || h.operator !== inputs.operator || h.keyID !== inputs.static_key_id) refuse('malformed')
    if (type !== types.epochReply && !h.epoch.equals(hex(inputs.epoch_id))) refuse('malformed')
  }
  switch (path) {
    case '/link/v1/epoch':
      expect(types.epochReply)
      return readers.epochReply(open(keys.epochReply(sent, h.bytes), body, h.bytes))
    case '/link/v1/join':
      expect(types.joined)
      return open(keys.joined(es, sent, h.bytes), body, h.bytes)
    case '/link/v1/open': {
      expect(types.opened)
      const r = new Reader(open(keys.opened(es, sent, h.bytes), body, h.bytes))
      const results = []
      let life
      for (let n = r.u16(); n > 0; n--) { results.push(r.u8()); life = r.u32() }
      r.end()
      return { results, life_seconds: life }
    }
  }
  const asked = readHeader(sent)
  if (!h.bytes.equals(header(types.reply, asked.epoch, asked.serial))) refuse('bad seal')
  const o = vectors.messages.find(m => m.name === 'Open').fields.openings.find(o => o.serial === asked.serial.toString('hex'))
  return readers.reply(open(keys.dynamic(es, 'reply', asked.serial, o), body, cat(h.bytes, sha256(sent))))
}

// ---- the vault

function capsuleKey (enc, context) {
  const ecdh = crypto.createECDH('prime256v1')
  ecdh.setPrivateKey(hex(inputs.pin_private_key))
  let dh
  try { dh = ecdh.computeSecret(enc) } catch { refuse('bad seal') }
  const l = labelled(cat(text('KEM'), u16(0x0010)))
  const shared = l.expand(l.extract(Buffer.alloc(0), 'eae_prk', dh), 'shared_secret', cat(enc, ecdh.getPublicKey()))
  return hpkeExport(0x0010, shared, text('starhash/1 pin key ' + inputs.pin_key_id), context)
}

const capsuleContext = c => cat(text('starhash/1 pin'), hex(c.txid), Buffer.from([c.position]), text(c.msisdn))

function vault (capsule, c) {
  if (capsule.length !== 105) refuse('malformed')
  if (!capsule.subarray(0, 8).equals(name8(inputs.pin_key_id))) refuse('bad seal')
  const context = capsuleContext(c)
  const field = open(capsuleKey(capsule.subarray(8, 73), context), capsule.subarray(73), context)
  const nibbles = field.subarray(0, 8).toString('hex')
  const n = parseInt(nibbles[1], 16)
  if (nibbles[0] !== '4' || n < 4 || n > 6) refuse('malformed')
  if (!new RegExp(`^[0-9]{${n}}a{${14 - n}}$`).test(nibbles.slice(2))) refuse('malformed')
  return nibbles.slice(2, 2 + n)
}

// ---- the checks

function checkInputs () {
  same('check value', derive(sk, '', 'starhash/1 check value').subarray(0, 3).toString('hex').toUpperCase(), inputs.static_key_check_value)
  same('X25519 half of the epoch key', agreed.publicTail, hex(inputs.epoch_public_key).subarray(1184))
  const ephemeral = x25519PublicOf(x25519Private(hex(inputs.epoch_encapsulation_x25519_private_key)))
  same('X25519 half of the encapsulation', ephemeral, hex(vectors.hpke.encapsulation).subarray(1088))
  same('X25519 shared secret', agreed.shared, hex(vectors.hpke.x25519_shared_secret))
  same('KEM shared secret', agreed.kem, hex(vectors.hpke.kem_shared_secret))
  same('HPKE info', agreed.info, hex(vectors.hpke.info))
  same('HPKE export', agreed.exported, hex(vectors.hpke.export))
  same('epoch secret info', agreed.secretInfo, hex(vectors.hpke.epoch_secret_info))
  same('epoch secret', es, hex(vectors.hpke.epoch_secret))
}

function checkSeals (m) {
  for (const s of m.seals ?? []) {
    const key = derive(s.ikm === 'static_key' ? sk : es, hex(s.salt), hex(s.info))
    same(m.name + ': key', key, hex(s.key))
    same(m.name + ': sealed', seal(key, hex(s.plain), hex(s.associated_data)), hex(s.sealed))
  }
}

function checkMessages () {
  const bank = new Bank()
  for (const m of vectors.messages) {
    checkSeals(m)
    const msg = hex(m.message)
    const sent = m.answers && message(m.answers)
    switch (m.type) {
      case types.epochRequest: same(m.name, bank.epoch(msg), m.fields); break
      case types.join: bank.join(msg); break
      case types.joined: same(m.name, gateway(m.path, sent, msg).length, 0); break
      case types.open: {
        const entries = bank.open(msg)
        same(m.name, entries, m.fields.openings)
        bank.finish(entries, vectors.messages.find(x => x.type === types.opened).fields.results)
        break
      }
      case types.transact: same(m.name, bank.transact(msg), m.fields); break
      case types.error: {
        const e = refusalOf(() => gateway(m.path, sent, msg))
        same(m.name, { code: codes.indexOf(e.code), code_name: e.code, authenticated: e.authenticated }, m.fields)
        break
      }
      case types.epochReply: case types.opened: case types.reply: same(m.name, gateway(m.path, sent, msg), m.fields); break
      default: throw new Error(`${m.name}: type ${m.type}`)
    }
    checks++
  }
}

function checkCapsules () {
  for (const c of vectors.capsules) {
    const enc = hex(c.capsule).subarray(8, 73)
    same(c.name + ': context', capsuleContext(c), hex(c.context))
    same(c.name + ': key', capsuleKey(enc, hex(c.context)), hex(c.key))
    same(c.name + ': capsule', cat(name8(inputs.pin_key_id), enc, seal(hex(c.key), hex(c.pin_field), hex(c.context))), hex(c.capsule))
    same(c.name + ': PIN', vault(hex(c.capsule), c), c.pin)
  }
}

function refusalOf (act) {
  try { act() } catch (e) { if (e instanceof Refusal) return e; throw e }
  return { code: 'taken' }
}

function checkFailures () {
  for (const f of vectors.failures) {
    const msg = hex(f.message)
    const e = refusalOf(() => {
      switch (f.reader) {
        case 'vault': return vault(msg, vectors.capsules.find(c => c.name === f.capsule))
        case 'gateway': return gateway(f.path, message(f.answers), msg)
      }
      const bank = new Bank()
      const take = { epoch: m => bank.epoch(m), join: m => bank.join(m), open: m => bank.open(m), transact: m => bank.transact(m) }[f.path.slice(9)]
      if (f.path === '/link/v1/transact') {
        bank.finish(bank.open(message('Open')), vectors.messages.find(x => x.type === types.opened).fields.results)
      }
      if (f.after) take(message(f.after))
      bank.at += f.later ?? 0
      const out = take(msg)
      if (f.entry !== undefined && out[f.entry] instanceof Error) throw out[f.entry]
    })
    same('must fail: ' + f.name, e.code, f.fails)
    if (f.authenticated !== undefined) same('authenticated: ' + f.name, e.authenticated, f.authenticated)
  }
}

try {
  checkInputs()
  checkMessages()
  checkCapsules()
  checkFailures()
} catch (e) {
  console.error(`vectors.json does not hold: ${e.message}`)
  process.exit(1)
}
console.log(`${vectors.messages.length} messages, ${vectors.capsules.length} capsules, ${vectors.failures.length} failures: ${checks} checks hold`)
