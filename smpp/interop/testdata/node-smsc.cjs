// An SMSC made of node-smpp. It tells what it sees as JSON lines on standard output and
// obeys JSON lines on standard input: {"do":"deliver_sm","session":1,"with":["source_addr",
// "263...",...]}; {"hex":"..."} stands for octets. It puts the parts of long messages
// together itself. With a key's and a certificate's file it speaks TLS. It ends with its
// input.
'use strict';
const fs = require('node:fs');
const readline = require('node:readline');
const smpp = require('smpp');

const tell = (event) => process.stdout.write(JSON.stringify(event) + '\n');
const octets = (v) => (v && typeof v === 'object'
  ? ('hex' in v ? Buffer.from(v.hex, 'hex') : Object.fromEntries(Object.entries(v).map(([k, w]) => [k, octets(w)])))
  : v);

const sessions = [];
const parts = new Map(); // of long messages: destination and reference to texts
let messages = 0;

const long = (pdu) => {
  const { udh, message } = pdu.short_message;
  const concat = (udh || []).find((e) => e[0] === 0);
  if (!concat) return message;
  const [, , ref, total, seq] = concat;
  const key = `${pdu.destination_addr} ${ref}`;
  const texts = parts.get(key) || [];
  parts.set(key, texts);
  texts[seq - 1] = message;
  if (Object.keys(texts).length < total) return undefined;
  parts.delete(key);
  return texts.join('');
};

const [, , key, cert] = process.argv;
const options = key ? { key: fs.readFileSync(key), cert: fs.readFileSync(cert) } : {};
const server = smpp.createServer(options, (s) => {
  const session = sessions.push(s);
  s.on('error', () => {}); // 'close' follows
  s.on('close', () => tell({ event: 'close', session }));
  s.on('pdu', (pdu) => {
    const { command, command_status: status, sequence_number: sequence } = pdu;
    const event = { event: command, session, status, sequence };
    for (const name of ['system_id', 'password', 'address_range', 'interface_version', 'source_addr', 'source_addr_ton', 'destination_addr',
      'dest_addr_ton', 'dest_addr_npi', 'esm_class', 'registered_delivery', 'validity_period', 'data_coding']) {
      if (pdu[name] !== undefined) event[name] = pdu[name];
    }
    if (/^bind_(transceiver|transmitter|receiver)$/.test(command)) s.send(pdu.response({ system_id: 'node-smpp' }));
    if (command === 'enquire_link' || command === 'unbind') s.send(pdu.response());
    if (command === 'submit_sm') {
      event.message_id = `n${++messages}`;
      s.send(pdu.response({ message_id: event.message_id }));
      event.text = pdu.message_payload ? pdu.message_payload.message : long(pdu);
    }
    if (command === 'query_sm') s.send(pdu.response({ message_id: pdu.message_id, final_date: '', message_state: 2, error_code: 0 }));
    if (command === 'cancel_sm' || command === 'replace_sm') s.send(pdu.response());
    tell(event);
  });
});
server.listen(0, '127.0.0.1', () => tell({ event: 'listening', port: server.address().port }));

readline.createInterface({ input: process.stdin })
  .on('line', (line) => {
    const o = JSON.parse(line);
    const fields = {};
    for (let i = 0; i < (o.with || []).length; i += 2) fields[o.with[i]] = octets(o.with[i + 1]);
    sessions[o.session - 1][o.do](fields);
  })
  .on('close', () => process.exit(0));
