// An SMSC made of node-smpp, for interop_test.go: a codec and a session that are
// not ours. It tells what it sees as JSON lines on standard output and obeys JSON
// lines on standard input, and ends with it.
'use strict';
const readline = require('node:readline');
const smpp = require('smpp');

const tell = (event) => process.stdout.write(JSON.stringify(event) + '\n');
const hex = (text) => Buffer.from(text, 'hex');

let session; // the one that is bound
let messages = 0;

const server = smpp.createServer((s) => {
  s.on('error', (e) => tell({ event: 'error', text: String(e) }));
  s.on('close', () => tell({ event: 'close' }));
  s.on('pdu', (pdu) => {
    const event = { event: pdu.command, status: pdu.command_status, sequence: pdu.sequence_number };
    switch (pdu.command) {
      case 'bind_transceiver':
        session = s;
        Object.assign(event, { from: pdu.system_id, text: pdu.password });
        s.send(pdu.response({ system_id: 'node-smpp' }));
        break;
      case 'submit_sm':
        messages++;
        Object.assign(event, {
          from: pdu.source_addr, to: pdu.destination_addr, data_coding: pdu.data_coding,
          text: pdu.short_message.message, receipt: pdu.registered_delivery, id: `n${messages}`,
        });
        s.send(pdu.response({ message_id: `n${messages}` }));
        break;
      case 'enquire_link':
      case 'unbind':
        s.send(pdu.response());
        break;
    }
    tell(event);
  });
});
server.listen(0, '127.0.0.1', () => tell({ event: 'listening', port: server.address().port }));

const orders = {
  // The text is encoded by node-smpp, as data_coding says.
  deliver: (o) => session.deliver_sm({
    source_addr_ton: 1, source_addr_npi: 1, source_addr: o.from, destination_addr: o.to,
    data_coding: o.data_coding, esm_class: o.esm_class,
    short_message: { message: o.text || '', udh: o.udh ? hex(o.udh) : undefined },
    ...o.fields,
  }),
  data: (o) => session.data_sm({ source_addr_ton: 1, source_addr_npi: 1, source_addr: o.from, destination_addr: o.to, message_payload: o.text }),
  enquire_link: () => session.enquire_link(),
  unbind: () => session.unbind(),
  raw: (o) => session.socket.write(hex(o.hex)),
};
readline.createInterface({ input: process.stdin })
  .on('line', (line) => { const o = JSON.parse(line); orders[o.do](o); })
  .on('close', () => process.exit(0));
