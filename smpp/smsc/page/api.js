// The simulator's management port, as the page uses it.

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
export async function call(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error ?? `HTTP ${answer.status}`);
  return value;
}

/** How long one request for news may wait. */
const wait = "25s";

/**
 * @typedef {object} Cursor what has been seen of a phone
 * @property {number} sms
 * @property {number} ussd
 */

/**
 * news waits for what happened.
 * @param {Map<string, Cursor>} phones
 * @param {number} wire
 * @param {number} steps
 * @param {AbortSignal} signal
 * @returns {Promise<any>}
 */
export async function news(phones, wire, steps, signal) {
  const q = new URLSearchParams({ wait, wire: String(wire), steps: String(steps) });
  for (const [number, at] of phones) q.append("phone", `${number},${at.sms},${at.ussd}`);
  const answer = await fetch(`/news?${q}`, { signal });
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  return answer.json();
}
