// Drives the page of phones as people do. Arguments: the page's address, Chromium,
// and where screenshots go, or nothing. What fails is said and ends with 1.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [base, executablePath, pictures] = process.argv.slice(2);
const [tendai, chipo, amina, lucas] = ["263771000001", "263771000002", "263771000003", "263771000004"];
const pin = "1234";

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const complaints = [];
const strangers = new Set();

/** open is the page with these phones. */
async function open(numbers, viewport = { width: 1360, height: 900 }) {
  const context = await browser.newContext({ viewport, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on("console", (m) => { if (m.type() === "error" && !/40[49]|202/.test(m.text())) complaints.push(m.text()); });
  page.on("pageerror", (e) => complaints.push(String(e)));
  page.on("request", (r) => { if (!r.url().startsWith(base) && !r.url().startsWith("data:")) strangers.add(r.url()); });
  await page.goto(`${base}/#${numbers.join(",")}`);
  for (const n of numbers) await phone(page, n).waitFor();
  return page;
}
const phone = (page, n) => page.locator(`article[data-msisdn="${n}"]`);
const view = (page, n) => phone(page, n).locator(".view");

/** shows waits until the phone's screen has a text. */
async function shows(page, n, text) {
  try {
    await view(page, n).filter({ hasText: text }).waitFor();
  } catch {
    assert.fail(`${n} does not show ${text}, but: ${await view(page, n).innerText()}`);
  }
}

/** keys presses the keypad. */
async function keys(page, n, text) {
  for (const k of text) await phone(page, n).locator(".keys").getByText(k, { exact: true }).click();
}
const soft = (page, n, name) => phone(page, n).locator(".soft").getByRole("button", { name, exact: true }).click();
async function dial(page, n, code) {
  await keys(page, n, code);
  await phone(page, n).getByRole("button", { name: "Call", exact: true }).click();
}
async function reply(page, n, text, then) {
  await keys(page, n, text);
  await soft(page, n, "Send");
  await shows(page, n, then);
}
/** leave ends whatever is on the screen. */
const leave = (page, n) => phone(page, n).getByRole("button", { name: "End", exact: true }).click();
/** newest opens the newest message and gives its text. */
async function newest(page, n, text) {
  await leave(page, n);
  await shows(page, n, /new message/);
  await phone(page, n).locator(".soft .left").click();
  await view(page, n).locator("button").first().click();
  await shows(page, n, text);
}
async function picture(page, name) {
  if (pictures) await page.screenshot({ path: `${pictures}/${name}.png` });
}
/** secret makes sure that the PIN is nowhere on the page, in its address or storage. */
async function secret(page) {
  const all = await page.evaluate(() => document.documentElement.outerHTML + location.href + JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage }) +
    [...document.querySelectorAll("input")].map((i) => i.value).join(" "));
  assert.doesNotMatch(all, new RegExp(`\\b${pin}\\b`), "the PIN is on the page");
}

const tests = {
  async "money moves between two phones"() {
    const page = await open([tendai, chipo]);
    await dial(page, tendai, "*700#");
    await shows(page, tendai, "1 Send money");
    await picture(page, "phone-menu");
    await reply(page, tendai, "1", "Type the number");
    await reply(page, tendai, "0771000002", "C*** N***");
    await reply(page, tendai, "5", "PIN");
    assert.equal(await phone(page, tendai).locator(".typed").getAttribute("type"), "password");
    await keys(page, tendai, pin);
    await picture(page, "phone-pin");
    await soft(page, tendai, "Send");
    await shows(page, tendai, "done. USD 5.00 sent to C*** N***");
    await newest(page, chipo, /recu\. USD 5\.00/);
    await newest(page, tendai, /done\. USD 5\.00 sent/);
    // The order's way fills to the receipt, and the wire has both sides' PDUs.
    const order = page.locator("#orders li").first();
    for (const step of ["journal", "key", "sealed", "bank", "verdict", "confirmation", "receipt"]) {
      await order.locator(".way .done", { hasText: step }).waitFor();
    }
    await page.locator("#pdus li", { hasText: "submit_sm" }).first().waitFor();
    await page.locator("#pdus li", { hasText: "deliver_sm" }).filter({ hasText: "begin" }).first().waitFor();
    await picture(page, "phones");
    await secret(page);
    await page.context().close();
  },

  async "an order by SMS"() {
    const page = await open([tendai, chipo]);
    await soft(page, tendai, /Messages/);
    await soft(page, tendai, "Write");
    await phone(page, tendai).locator(".text").fill(`SEND 2 0771000002 ${pin}`);
    await soft(page, tendai, "Send");
    await newest(page, tendai, /done\. USD 2\.00 sent/);
    await newest(page, chipo, /USD 2\.00/);
    await secret(page);
    await page.context().close();
  },

  async "the signal is lost after the PIN, and the outcome comes as SMS"() {
    const page = await open([tendai]);
    await phone(page, tendai).locator("summary", { hasText: "Trouble" }).click();
    await dial(page, tendai, "*700*1*0771000002*3#");
    await shows(page, tendai, "PIN");
    await phone(page, tendai).getByLabel("Slow network").check();
    await keys(page, tendai, pin);
    const replies = () => [...document.querySelectorAll("#pdus li")].filter((li) => li.textContent.includes("(reply)")).length;
    const before = await page.evaluate(replies);
    await soft(page, tendai, "Send");
    await shows(page, tendai, "USSD running");
    // The reply is with the gateway; the screen that answers it never arrives.
    await page.waitForFunction((n) => [...document.querySelectorAll("#pdus li")].filter((li) => li.textContent.includes("(reply)")).length > n, before);
    await phone(page, tendai).getByRole("button", { name: "Lose signal" }).click();
    await phone(page, tendai).getByLabel("no signal").waitFor();
    await phone(page, tendai).getByLabel("Slow network").uncheck();
    await phone(page, tendai).getByRole("button", { name: "Find signal again" }).click();
    await newest(page, tendai, /done\. USD 3\.00 sent/);
    await secret(page);
    await page.context().close();
  },

  async "another SIM is refused"() {
    const page = await open([amina]);
    await phone(page, amina).locator("summary", { hasText: "Trouble" }).click();
    const before = await phone(page, amina).locator(".imsi").innerText();
    await phone(page, amina).getByRole("button", { name: "Swap the SIM" }).click();
    await page.waitForFunction(([n, was]) => document.querySelector(`article[data-msisdn="${n}"] .imsi`).innerText !== was, [amina, before]);
    await dial(page, amina, "*700*2#");
    await shows(page, amina, "PIN");
    await keys(page, amina, pin);
    await soft(page, amina, "Send");
    await newest(page, amina, /SIM/);
    await page.context().close();
  },

  async "with the keyboard alone"() {
    const page = await open([lucas]);
    await phone(page, lucas).locator(".typed").focus();
    await page.keyboard.type("*700*2#");
    await page.keyboard.press("Enter");
    await shows(page, lucas, "PIN");
    await page.keyboard.type(pin);
    await page.keyboard.press("Enter");
    await shows(page, lucas, "USD");
    await page.keyboard.press("Escape");
    await shows(page, lucas, /new message|Starhash/);
    await secret(page);
    await page.context().close();
  },

  async "on a small screen, and for those who do not see it"() {
    const page = await open([tendai, chipo], { width: 360, height: 740 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `the page is ${wide} pixels too wide`);
    await picture(page, "phones-small");
    await page.addScriptTag({ content: await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8") }).catch(() => {}); // the page's policy refuses it
    await page.context().close();

    const context = await browser.newContext({ bypassCSP: true });
    const bare = await context.newPage();
    await bare.goto(`${base}/#${tendai}`);
    await phone(bare, tendai).waitFor();
    await bare.addScriptTag({ content: await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8") });
    const found = await bare.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa"] }));
    assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(" ")}`), []);
    await context.close();
  },

  async "what was seen is masked"() {
    const { pdus } = await (await fetch(`${base}/wire`)).json();
    assert.ok(pdus.length > 20, `${pdus.length} PDUs`);
    assert.doesNotMatch(JSON.stringify(pdus.map((p) => p.text)), new RegExp(`\\b${pin}\\b`), "the PIN is on the wire's view");
  },
};

let failed = 0;
for (const [name, run] of Object.entries(tests)) {
  try {
    await run();
    console.log(`ok    ${name}`);
  } catch (e) {
    failed++;
    console.log(`FAIL  ${name}\n${e.stack}`);
  }
}
await browser.close();
const noise = complaints.filter((c) => !c.includes("violates the following Content Security Policy"));
if (noise.length) { failed++; console.log(`FAIL  the console:\n${noise.join("\n")}`); }
if (strangers.size) { failed++; console.log(`FAIL  requests to others:\n${[...strangers].join("\n")}`); }
process.exit(failed ? 1 : 0);
