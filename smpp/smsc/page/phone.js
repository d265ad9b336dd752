// One feature phone. What is typed while a screen asks for a PIN is shown as
// bullets, sent, and forgotten: it is in no storage and in no address.

import { call } from "./api.js";

const keys = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

/** The number that SMS orders go to; what a reply answers when there is no other. */
const shortCode = "7001";

/**
 * @typedef {object} Screen
 * @property {number} n
 * @property {boolean} open
 * @property {string} kind
 * @property {string} text
 * @property {boolean} [secret]
 */

export class Phone {
  /**
   * @param {{msisdn: string, imsi?: string, off?: boolean}} known
   * @param {{removed: (p: Phone) => void, said: (text: string) => void}} page
   */
  constructor(known, page) {
    this.number = known.msisdn;
    this.imsi = known.imsi ?? "";
    this.off = known.off ?? false;
    this.page = page;
    /** @type {{sms: number, ussd: number}} */
    this.seen = { sms: 0, ussd: 0 };
    /** @type {{n: number, from: string, text: string, read: boolean}[]} */
    this.inbox = [];
    /** @type {"idle"|"running"|"ussd"|"inbox"|"message"|"compose"} */
    this.mode = "idle";
    /** @type {Screen|null} */
    this.shown = null;
    this.first = true;

    const template = /** @type {HTMLTemplateElement} */ (document.getElementById("phone"));
    this.root = /** @type {HTMLElement} */ (template.content.cloneNode(true)).firstElementChild;
    this.root.setAttribute("aria-label", `Phone ${this.number}`);
    this.root.dataset.msisdn = this.number;
    /** @param {string} name @returns {any} */
    const part = (name) => this.root.querySelector(name);
    this.form = part(".screen");
    this.view = part(".view");
    this.typed = part(".typed");
    this.text = part(".text");
    this.label = part(".entry-label");
    this.left = part(".left");
    this.right = part(".right");
    part(".msisdn").textContent = this.number;

    const pad = part(".keys");
    const key = (text, name, press, cls) => {
      const b = document.createElement("button");
      b.type = "button";
      b.textContent = text;
      if (name) b.setAttribute("aria-label", name);
      if (cls) b.className = cls;
      b.addEventListener("click", press);
      pad.append(b);
    };
    key("Call", "Call", () => this.callKey(), "call");
    key("C", "Delete the last character", () => this.erase(), "");
    key("End", "End", () => this.endKey(), "end");
    for (const k of keys) key(k, { "*": "star", "#": "hash" }[k] ?? "", () => this.press(k), "");

    this.form.addEventListener("submit", (e) => { e.preventDefault(); this.softLeft(); });
    this.right.addEventListener("click", () => this.softRight());
    this.root.addEventListener("keydown", (e) => {
      if (e.key === "Escape") { e.preventDefault(); this.endKey(); }
      // Anywhere on the phone the keyboard's digits are the keypad's.
      else if (/^[0-9*#]$/.test(e.key) && !(e.target instanceof HTMLInputElement) && !(e.target instanceof HTMLTextAreaElement)) {
        e.preventDefault();
        this.press(e.key);
      }
    });
    part(".remove").addEventListener("click", () => this.page.removed(this));
    part(".signal-off").addEventListener("click", () => this.change({ off: !this.off }));
    part(".swap").addEventListener("click", () => this.swap());
    part(".slow").addEventListener("change", (e) => this.change({ slow: e.target.checked ? "3s" : "0s" }));
    this.twice = part(".twice");
    this.go("idle");
    this.status();
  }

  /** change changes the phone in the simulator. @param {object} what */
  async change(what) {
    await this.page.said("");
    try {
      const now = await call("PUT", `/phones/${this.number}`, what);
      this.off = now.off ?? false;
      this.imsi = now.imsi ?? "";
      if (what.off === false) await call("POST", `/phones/${this.number}/on`, {});
    } catch (e) {
      this.page.said(e.message);
    }
    this.status();
  }

  swap() {
    const other = String(Math.floor(1e9 + Math.random() * 9e9));
    return this.change({ imsi: `64801${other}` });
  }

  status() {
    const signal = /** @type {HTMLElement} */ (this.root.querySelector(".signal"));
    signal.textContent = this.off ? "▁×" : "▁▃▅▇";
    signal.setAttribute("aria-label", this.off ? "no signal" : "signal");
    this.root.querySelector(".imsi").textContent = this.imsi ? `IMSI ${this.imsi}` : "IMSI unknown";
    this.root.querySelector(".signal-off").textContent = this.off ? "Find signal again" : "Lose signal";
  }

  // What the person presses.

  /** @param {string} k */
  press(k) {
    const to = this.form.dataset.compose !== undefined ? this.text : this.typed;
    if (this.form.dataset.entry === undefined && this.form.dataset.compose === undefined) return;
    to.value += k;
    to.focus();
  }

  erase() {
    const to = this.form.dataset.compose !== undefined ? this.text : this.typed;
    to.value = to.value.slice(0, -1);
  }

  callKey() {
    if (this.mode === "idle" && this.typed.value) return this.enter(this.typed.value);
    if (this.mode === "ussd") return this.softLeft();
  }

  async endKey() {
    const open = this.mode === "ussd" && this.shown?.open || this.mode === "running";
    this.go("idle");
    this.typed.focus();
    if (!open) return;
    this.ending = true; // what the network says of the end is no news
    try {
      const last = await call("DELETE", `/phones/${this.number}/ussd`);
      this.seen.ussd = Math.max(this.seen.ussd, last.n ?? 0);
    } catch { /* it is over already */ }
    this.ending = false;
  }

  softLeft() {
    switch (this.mode) {
      case "idle": return this.typed.value ? this.enter(this.typed.value) : this.go("inbox");
      case "ussd": return this.shown?.open ? this.enter(this.typed.value) : this.go("idle");
      case "inbox": return this.go("compose");
      case "message": return this.go("compose");
      case "compose": return this.send();
    }
  }

  softRight() {
    switch (this.mode) {
      case "idle": this.typed.value = ""; return;
      case "ussd": case "running": return this.endKey();
      case "message": return this.go("inbox");
      default: return this.go("idle");
    }
  }

  /** enter dials or replies. @param {string} text */
  async enter(text) {
    this.typed.value = "";
    this.here = this.root.contains(document.activeElement);
    this.go("running");
    try {
      const body = { text, wait: "25s" };
      if (this.twice.checked && this.shown?.open) { body.fault = "ussd_reply_twice"; this.twice.checked = false; }
      const screen = await call("POST", `/phones/${this.number}/ussd`, body);
      if (screen.kind) this.screen(screen);
    } catch (e) {
      this.shown = null;
      this.go("idle", e.message);
    }
  }

  async send() {
    const text = this.text.value;
    if (!text) return;
    this.text.value = "";
    this.go("idle", "Sending…");
    try {
      const sent = await call("POST", "/mo", { from: this.number, to: this.to ?? shortCode, text, wait: "25s" });
      const bad = sent.parts?.find((p) => p.state !== "acked");
      if (this.twice.checked) { this.twice.checked = false; await call("POST", "/redeliver", { id: sent.id }); }
      this.go("idle", bad ? `Message not sent: ${bad.status || "no answer"}` : "Message sent");
    } catch (e) {
      this.go("idle", e.message);
    }
  }

  // What the network brings.

  /** @param {Screen} s */
  screen(s) {
    if (s.n <= this.seen.ussd) return;
    this.seen.ussd = s.n;
    if (this.ending && !s.open) return;
    this.shown = s;
    this.go("ussd");
  }

  /** @param {Screen[]} all */
  screens(all) {
    if (this.first) { // what was shown before the page was opened is over, unless it still asks
      const last = all[all.length - 1];
      this.seen.ussd = Math.max(this.seen.ussd, last.n);
      if (last.open && this.mode === "idle") { this.shown = last; this.go("ussd"); }
      return;
    }
    for (const s of all) this.screen(s);
  }

  /** @param {{n: number, from: string, text: string}[]} all */
  messages(all) {
    for (const m of all) {
      if (m.n <= this.seen.sms) continue;
      this.seen.sms = m.n;
      this.inbox.unshift({ ...m, read: this.first });
    }
    if (this.mode === "idle" || this.mode === "inbox") this.go(this.mode);
  }

  // What is shown.

  /** @param {Phone["mode"]} mode @param {string} [word] */
  go(mode, word) {
    this.mode = mode;
    const show = (entry, compose, left, right) => {
      this.form.toggleAttribute("data-entry", entry !== "");
      this.form.toggleAttribute("data-compose", compose);
      this.label.textContent = entry;
      this.left.textContent = left;
      this.right.textContent = right;
    };
    const secret = mode === "ussd" && this.shown?.open && this.shown.secret;
    this.typed.type = secret ? "password" : "text";
    this.typed.autocomplete = "off";
    this.typed.inputMode = mode === "idle" ? "tel" : "text";
    this.view.replaceChildren();
    switch (mode) {
      case "idle": {
        const unread = this.inbox.filter((m) => !m.read).length;
        this.say(word ?? (unread ? `${unread} new message${unread > 1 ? "s" : ""}` : "Starhash"));
        show("Dial", false, this.inbox.length ? `Messages (${this.inbox.length})` : "Messages", "Clear");
        break;
      }
      case "running":
        this.say("USSD running…");
        show("", false, "", "Cancel");
        if (this.here) this.view.focus({ preventScroll: true }); // whose input is gone
        break;
      case "ussd":
        this.say(this.shown.text);
        if (this.shown.open) { show(secret ? "PIN" : "Reply", false, "Send", "Cancel"); this.typed.value = ""; } else show("", false, "OK", "");
        break;
      case "inbox":
        if (this.inbox.length === 0) this.say("No messages");
        for (const m of this.inbox) {
          const b = document.createElement("button");
          b.type = "button";
          b.textContent = `${m.read ? "" : "● "}${m.from}: ${m.text}`;
          b.addEventListener("click", () => { m.read = true; this.open = m; this.go("message"); });
          this.view.append(b);
        }
        show("", false, "Write", "Back");
        break;
      case "message": {
        const from = document.createElement("div");
        from.className = "from";
        from.textContent = this.open.from;
        this.view.append(from);
        this.say(this.open.text);
        this.to = this.open.from;
        show("", false, "Answer", "Back");
        break;
      }
      case "compose":
        this.say(`To ${this.to ?? shortCode}`);
        show("", true, "Send", "Back");
        this.text.focus();
        break;
    }
    if (mode === "ussd" && (this.here || this.root.contains(document.activeElement))) (this.shown.open ? this.typed : this.left).focus();
  }

  /** @param {string} text */
  say(text) {
    const p = document.createElement("div");
    p.textContent = text;
    this.view.append(p);
  }
}
