// The page: which phones there are, and one loop that waits for news of all.

import { call, news } from "./api.js";
import { Phone } from "./phone.js";
import { showPDUs, showSteps } from "./wire.js";

const state = document.getElementById("state");
const section = document.getElementById("phones");
/** @type {Map<string, Phone>} */
const phones = new Map();
let asking = new AbortController();

const page = {
  /** @param {Phone} p */
  removed(p) {
    phones.delete(p.number);
    p.root.remove();
    remember();
  },
  /** @param {string} text */
  said(text) { state.textContent = text; },
};

/** remember keeps the choice of phones in the address, and nothing else. */
function remember() {
  history.replaceState(null, "", `#${[...phones.keys()].join(",")}`);
  asking.abort(); // and ask for the news of these
}

/** @param {{msisdn: string, imsi?: string, off?: boolean}} known */
function add(known) {
  if (phones.has(known.msisdn)) return;
  const p = new Phone(known, page);
  phones.set(known.msisdn, p);
  section.append(p.root);
  remember();
}

async function start() {
  const { phones: known } = await call("GET", "/phones");
  const numbers = document.getElementById("numbers");
  for (const p of known.slice(0, 100)) {
    const option = document.createElement("option");
    option.value = p.msisdn;
    numbers.append(option);
  }
  const wanted = location.hash.slice(1).split(",").filter((n) => /^[0-9]{5,15}$/.test(n));
  const first = wanted.length ? wanted : known.slice(0, 2).map((p) => p.msisdn);
  for (const n of first) add(known.find((p) => p.msisdn === n) ?? { msisdn: n });
  document.getElementById("add").addEventListener("submit", (e) => {
    e.preventDefault();
    const input = /** @type {HTMLInputElement} */ (document.getElementById("number"));
    add(known.find((p) => p.msisdn === input.value) ?? { msisdn: input.value });
    input.value = "";
  });
}

async function watch() {
  let wire = 0, steps = 0;
  for (;;) {
    asking = new AbortController();
    try {
      const at = new Map([...phones].map(([n, p]) => [n, p.seen]));
      const got = await news(at, wire, steps, asking.signal);
      page.said("");
      for (const p of phones.values()) {
        if (got.sms?.[p.number]) p.messages(got.sms[p.number]);
        if (got.ussd?.[p.number]) p.screens(got.ussd[p.number]);
        if (at.has(p.number)) p.first = false;
      }
      if (got.wire?.length) { wire = got.wire[got.wire.length - 1].n; showPDUs(got.wire); }
      if (got.steps?.length) { steps = got.steps[got.steps.length - 1].n; showSteps(got.steps); }
    } catch (e) {
      if (e.name === "AbortError") continue;
      page.said("The simulator does not answer; trying again.");
      await new Promise((later) => setTimeout(later, 1000));
    }
  }
}

start().then(watch, (e) => page.said(e.message));
