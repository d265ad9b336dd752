// The wire beside the phones: every PDU as it passed, and each order's way through
// the gateway. Both come masked.

const most = 300;
const ways = ["journal", "key", "sealed", "bank", "verdict", "confirmation", "receipt"];

/** @param {string} tag @param {string} text @param {string} [cls] */
function element(tag, text, cls) {
  const e = document.createElement(tag);
  e.textContent = text;
  if (cls) e.className = cls;
  return e;
}

const pdus = document.getElementById("pdus");
const orders = document.getElementById("orders");
const pause = document.getElementById("pause");
/** @type {any[]} */
let held = [];
let paused = false;

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Go on" : "Pause";
  if (!paused) { const all = held; held = []; showPDUs(all); }
});
document.getElementById("clear").addEventListener("click", () => {
  pdus.replaceChildren();
  orders.replaceChildren();
  ways_.clear();
});

/** @param {any[]} all */
export function showPDUs(all) {
  if (paused) { held = held.concat(all).slice(-most); return; }
  for (const p of all) {
    const li = document.createElement("li");
    const open = document.createElement("details");
    const out = p.direction === "out";
    const line = document.createElement("summary");
    line.append(element("span", out ? "→ gateway  " : "← gateway  ", p.direction), `${p.command}${p.ussd ? ` (${p.ussd})` : ""}`);
    if (p.status !== "ESME_ROK") line.append(` ${p.status}`);
    if (p.text) line.append(` “${p.text}”`);
    open.append(line);
    const list = document.createElement("dl");
    const add = (name, value) => { if (value !== undefined && value !== "") list.append(element("dt", name), element("dd", String(value))); };
    add("at", new Date(p.at).toISOString().slice(11, 23));
    add("bind", p.bind);
    add("sequence_number", p.sequence);
    add("command_status", p.status);
    add("source_addr", p.source);
    add("destination_addr", p.dest);
    add("message_id", p.message_id);
    for (const t of p.tlvs ?? []) add(`TLV ${t.tag}`, t.hex ?? `${t.octets} octets`);
    add("octets", p.octets);
    open.append(list);
    li.append(open);
    pdus.prepend(li);
  }
  while (pdus.children.length > most) pdus.lastElementChild.remove();
}

/** @type {Map<string, {li: HTMLElement, spans: Map<string, HTMLElement>, detail: HTMLElement}>} */
const ways_ = new Map();

/** @param {any[]} all */
export function showSteps(all) {
  for (const s of all) {
    if (!s.ref) continue; // a step of a dialogue that has led to no order
    let w = ways_.get(s.ref);
    if (!w) {
      const li = document.createElement("li");
      li.append(element("strong", s.ref), ` ${s.subscriber ?? ""}`);
      const way = element("div", "", "way");
      const spans = new Map();
      for (const name of ways) {
        const span = element("span", name);
        spans.set(name, span);
        way.append(span);
      }
      const detail = element("p", "", "detail");
      li.append(way, detail);
      orders.prepend(li);
      w = { li, spans, detail };
      ways_.set(s.ref, w);
      if (ways_.size > 50) { const [oldest, o] = ways_.entries().next().value; o.li.remove(); ways_.delete(oldest); }
    }
    const span = w.spans.get(s.step);
    if (span) { span.className = "done"; span.title = s.detail ?? ""; }
    w.detail.textContent = `${s.step}: ${s.detail ?? ""}`;
  }
}
