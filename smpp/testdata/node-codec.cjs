// node-smpp's codec, for differential_node_test.go: JSON lines on standard input,
// the answers in the same order on standard output.
//
//   {"decode": "hex"}         the PDU's fields by the names of the specification
//   {"encode": {fields}}      the PDU in hexadecimal
//   {"constants": true}       its tables
//
// short_message is in hexadecimal, and so are the parameters: "tlvs": {"id": ["hex", ...]}.
'use strict';
const readline = require('node:readline');
const smpp = require('smpp');

// The filters make dates and texts of octets; fields are compared, not texts.
for (const tlv of Object.values(smpp.tlvs)) delete tlv.filter;
for (const command of Object.values(smpp.commands)) {
  for (const param of Object.values(command.params || {})) delete param.filter;
}

const header = ['command', 'command_length', 'command_id', 'command_status', 'sequence_number'];

function decode(hex) {
  const pdu = new smpp.PDU(Buffer.from(hex, 'hex'));
  const params = (smpp.commands[pdu.command] || {}).params || {};
  const fields = { tlvs: {} };
  for (const key of header) fields[key] = pdu[key];
  for (const key of Object.keys(pdu)) {
    const value = pdu[key];
    if (header.includes(key)) continue;
    if (key in params) {
      fields[key] = Buffer.isBuffer(value) ? value.toString('hex') : value;
    } else if (key in smpp.tlvs) {
      const { id, type, multiple } = smpp.tlvs[key];
      fields.tlvs[id] = (multiple ? value : [value]).map((v) => {
        const octets = Buffer.alloc(type.size(v));
        type.write(v, octets, 0);
        return octets.toString('hex');
      });
    } else {
      fields.tlvs[key] = [value.toString('hex')];
    }
  }
  return fields;
}

function encode(fields) {
  const options = { ...fields };
  delete options.tlvs;
  if ('short_message' in options) options.short_message = Buffer.from(options.short_message, 'hex');
  for (const [id, values] of Object.entries(fields.tlvs)) {
    const { tag, type, multiple } = smpp.tlvsById[id];
    const read = values.map((hex) => type.read(Buffer.from(hex, 'hex'), 0, hex.length / 2));
    options[tag] = multiple ? read : read[0];
  }
  return new smpp.PDU(fields.command, options).toBuffer().toString('hex');
}

function constants() {
  const ids = (table) => Object.fromEntries(Object.entries(table).map(([name, { id }]) => [name, id]));
  return { commands: ids(smpp.commands), tlvs: ids(smpp.tlvs), errors: smpp.errors,
    states: smpp.consts.MESSAGE_STATE, classes: smpp.consts.ESM_CLASS };
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line);
  let answer;
  try {
    answer = order.decode ? decode(order.decode) : order.encode ? encode(order.encode) : constants();
  } catch (e) {
    answer = { error: String(e) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
});
