// The USSD side of ten SMSCs made of node-smpp, for dialects_test.go. What each of them
// says and wants to hear is written down here by hand, from what is known of the
// dialects in the field, and not from Starhash's own files. An ESME chooses one by its
// system_id. It tells what phones see as JSON lines on standard output, obeys JSON
// lines on standard input, and ends with it.
'use strict';
const assert = require('node:assert');
const readline = require('node:readline');
const smpp = require('smpp');

const tell = (event) => process.stdout.write(JSON.stringify(event) + '\n');

const buffer = smpp.tlvs.its_session_info.type;
for (const [name, id] of [['smpp_plus_session', 0x1501], ['smpp_plus_imsi', 0x1502], ['smpp_plus_vlr', 0x1503], ['umr_imsi', 0x4102], ['umr_msc', 0x4103]]) {
  smpp.addTLV(name, { id, type: buffer });
}

// Where a session's number is: ours, or that of the ESME's first message where it has
// begun the session (pushed). own() is the parameter of our next message; answered()
// looks at that of the ESME's.
const nothing = () => ({ own: () => ({}), answered() {} });
const same = (tag, ours) => (pushed) => { // given back as it is
  const value = pushed === undefined ? ours : pushed[tag];
  assert(value !== undefined, `no ${tag}`);
  return {
    own: () => ({ [tag]: value }),
    answered: (pdu) => assert.deepStrictEqual(pdu[tag], value, `${tag} is not given back`),
  };
};
const bits15 = (ours) => (pushed) => { // 15 bits, and the end bit
  const number = pushed === undefined ? ours : pushed.its_session_info.readUInt16BE(0) >> 1;
  const own = (end) => ({ its_session_info: Buffer.from([number >> 7 & 0xff, (number << 1 & 0xfe) | (end ? 1 : 0)]) });
  return {
    own,
    answered: (pdu, last) => assert.deepStrictEqual(pdu.its_session_info, own(last).its_session_info, 'its_session_info is not given back with the right end bit'),
  };
};
const plain = (ours) => (pushed) => { // octet 1 the number; octet 2 the unit number and the end bit
  const number = pushed === undefined ? ours : pushed.its_session_info[0];
  let unit = pushed === undefined ? 9 : (pushed.its_session_info[1] >> 1) - 1;
  return {
    own: (end) => ({ its_session_info: Buffer.from([number, ++unit << 1 | (end ? 1 : 0)]) }),
    answered(pdu, last) {
      assert.deepStrictEqual(pdu.its_session_info, Buffer.from([number, ++unit << 1 | (last ? 1 : 0)]), 'its_session_info is not of this session, unit and end');
    },
  };
};

const gsm = { coding: 0, encode: smpp.encodings.ASCII.encode, decode: smpp.encodings.ASCII.decode };
const operation = (ussd_service_op) => ({ ussd_service_op });
const standard = {
  session: nothing, pdu: 'deliver_sm', answers: 'submit_sm', service_type: 'USSD', coding: 0, more: () => ({}),
  begin: operation(1), reply: operation(18), acknowledge: operation(19), abort: operation(129),
  asks: (pdu) => pdu.ussd_service_op === 2, notifies: (pdu) => pdu.ussd_service_op === 3,
  ends: (pdu) => pdu.ussd_service_op === 17, lets: () => false,
};
const byService = (service_type) => ({ service_type });
const lastOne = { lets: (pdu) => pdu.ussd_service_op === 131 }; // the last of what the ESME began
const dialects = {
  plain: { ...standard, session: plain(7) },
  comverse: {
    ...standard, ...lastOne, session: same('smpp_plus_session', Buffer.from([0xca, 0xfe, 0, 1])),
    more: (imsi) => ({ smpp_plus_imsi: Buffer.from(imsi), smpp_plus_vlr: Buffer.from('26377000000') }),
  },
  'comverse-umr': {
    ...standard, session: same('user_message_reference', 0xbeef),
    more: (imsi) => ({ umr_imsi: Buffer.from(imsi), umr_msc: Buffer.from('26377000001') }),
    abort: undefined,
  },
  huawei: { ...standard, session: bits15(12345), coding: 0x15, abort: operation(33) },
  'huawei-by-type': { // huawei-service-type, longer than a system_id may be
    ...standard, begin: byService('PSSRR'), reply: byService('USSRC'), abort: byService('RELC'), service_type: '',
    acknowledge: byService('USSNC'), notifies: (pdu) => pdu.service_type === 'USSNR',
    asks: (pdu) => pdu.service_type === 'USSRR', ends: (pdu) => pdu.service_type === 'PSSRC',
  },
  '6d': { ...standard, session: bits15(300), codeInText: true },
  mica: { ...standard, session: same('user_message_reference', 4711) },
  tata: {
    ...standard, session: bits15(77), reply: operation(2), abort: operation(17),
    asks: (pdu) => pdu.ussd_service_op === 2 && (pdu.its_session_info[1] & 1) === 0,
    ends: (pdu) => pdu.ussd_service_op === 2 && (pdu.its_session_info[1] & 1) === 1,
  },
  'data-sm': { ...standard, ...lastOne, pdu: 'data_sm', answers: 'data_sm', abort: operation(65) },
  'no-session': { ...standard, service_type: 'P2', coding: 0x0f, abort: undefined },
};

const binds = {}; // system_id to the session that is bound
const phones = {}; // MSISDN to its dialogue
let messages = 0;

const server = smpp.createServer((s) => {
  let dialect;
  s.on('error', (e) => tell({ event: 'error', text: String(e) }));
  s.on('pdu', (pdu) => {
    try {
      switch (pdu.command) {
        case 'bind_transceiver':
          dialect = pdu.system_id;
          binds[dialect] = s;
          s.send(pdu.response({ system_id: 'node-smpp' }));
          tell({ event: 'bound', text: dialect });
          break;
        case 'submit_sm':
        case 'data_sm':
          if (isUSSD(dialects[dialect], pdu) && phones[pdu.destination_addr]?.gone) {
            s.send(pdu.response({ command_status: smpp.ESME_RDELIVERYFAILURE })); // the subscriber has hung up
            tell({ event: 'lost', to: pdu.destination_addr });
            break;
          }
          s.send(pdu.response({ message_id: `n${++messages}` }));
          submitted(dialect, pdu);
          break;
        case 'deliver_sm_resp':
        case 'data_sm_resp':
          assert.strictEqual(pdu.command_status, 0, `${pdu.command} says ${pdu.command_status}`);
          break;
        case 'enquire_link':
        case 'unbind':
          s.send(pdu.response());
      }
    } catch (e) {
      tell({ event: 'error', text: `${dialect}: ${pdu.command}: ${e.message}` });
    }
  });
});
server.listen(0, '127.0.0.1', () => tell({ event: 'listening', port: server.address().port }));

const isUSSD = (d, pdu) => pdu.ussd_service_op !== undefined || d.ends(pdu) || d.asks(pdu) || d.notifies(pdu);

// submitted is an SMS, or the next screen of a dialogue.
function submitted(dialect, pdu) {
  const d = dialects[dialect];
  const content = pdu.command === 'data_sm' ? pdu.message_payload : pdu.short_message;
  let text = content === undefined ? '' : content.message;
  const to = pdu.destination_addr;
  if (!isUSSD(d, pdu)) {
    tell({ event: 'sms', to, text });
    return;
  }
  assert.strictEqual(pdu.command, d.answers);
  assert.strictEqual(pdu.registered_delivery, 0, 'a receipt is asked for');
  assert.strictEqual(pdu.data_coding, d.coding);
  if (d.service_type !== '') assert.strictEqual(pdu.service_type, d.service_type);
  let phone = phones[to];
  const notice = d.notifies(pdu) || (phone === undefined && d.lets(pdu));
  if (phone === undefined && (notice || d.asks(pdu))) {
    phone = phones[to] = { dialect, session: d.session(pdu), waits: true, pushed: true, code: pdu.source_addr };
  }
  const last = phone?.pushed && d.lets !== standard.lets ? d.lets(pdu) : d.ends(pdu);
  assert(last || notice || d.asks(pdu), `operation ${pdu.ussd_service_op} ${pdu.service_type} is none of the dialect's`);
  assert(phone !== undefined && phone.dialect === dialect, 'no session');
  assert(phone.waits, 'a screen that nobody asked for');
  assert.strictEqual(pdu.source_addr, phone.code);
  const bit = pdu.its_session_info !== undefined && d.session !== nothing && (pdu.its_session_info[1] & 1) === 1;
  phone.session.answered(pdu, notice ? bit : last);
  if (Buffer.isBuffer(text)) text = gsm.decode(text);
  assert(Buffer.from(gsm.encode(text)).length <= 182, 'longer than a screen');
  phone.waits = false;
  if (notice) send(dialect, to, phone, d.acknowledge, '', false);
  if (last || notice) delete phones[to];
  tell({ event: 'screen', to, text, last: last || notice });
}

function send(dialect, from, phone, operation, text, end) {
  const d = dialects[dialect];
  const payload = gsm.encode(text);
  const pdu = {
    service_type: d.service_type, source_addr_ton: 1, source_addr_npi: 1, source_addr: from,
    dest_addr_npi: 1, destination_addr: phone.code, data_coding: d.coding,
    [d.pdu === 'data_sm' ? 'message_payload' : 'short_message']: payload,
    ...operation, ...phone.session.own(end), ...(phone.imsi === undefined ? {} : d.more(phone.imsi)),
  };
  if (d.codeInText && operation === d.begin) pdu.destination_addr = '';
  phone.waits = true;
  binds[dialect][d.pdu](pdu);
}

const orders = {
  sms: (o) => binds[o.dialect].deliver_sm({ source_addr_ton: 1, source_addr_npi: 1, source_addr: o.from, destination_addr: o.to, short_message: o.text }),
  dial(o) {
    const phone = { dialect: o.dialect, imsi: o.imsi, code: '700', session: dialects[o.dialect].session() };
    phones[o.from] = phone;
    send(o.dialect, o.from, phone, dialects[o.dialect].begin, o.text, false);
  },
  reply(o) {
    const phone = phones[o.from];
    send(phone.dialect, o.from, phone, dialects[phone.dialect].reply, o.text, false);
  },
  // The subscriber hangs up.
  abort(o) {
    const phone = phones[o.from];
    const d = dialects[phone.dialect];
    phones[o.from] = { gone: true };
    if (d.abort !== undefined) send(phone.dialect, o.from, phone, d.abort, '', true);
  },
};
readline.createInterface({ input: process.stdin })
  .on('line', (line) => {
    const o = JSON.parse(line);
    try {
      orders[o.do](o);
    } catch (e) {
      tell({ event: 'error', text: `${line}: ${e.message}` });
    }
  })
  .on('close', () => process.exit(0));
