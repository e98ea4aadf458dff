// What the scripts that drive clients share: one line per check, and exit code 1 if one failed.
import { basename } from 'node:path';

const client = basename(process.argv[1]);

// check runs one check; what it returns says what was seen.
export async function check(name, body) {
  try {
    console.log(`ok    ${client}: ${name}: ${await within(30_000, body())}`);
  } catch (e) {
    console.log(`FAIL  ${client}: ${name}: ${e?.stack ?? e}`);
    process.exitCode = 1;
  }
}

// within fails if a promise takes longer than ms.
export function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// until calls next until what it returns satisfies the condition.
export async function until(next, satisfied) {
  for (;;) {
    const value = await next();
    if (satisfied(value)) return value;
  }
}

// exchange is where the exchange is, and the key for it.
export const exchange = {
  ws: process.env.DERIBIT_WS,
  rest: new URL(process.env.DERIBIT_REST).origin,
  key: { apiKey: process.env.DERIBIT_CLIENT_ID, secret: process.env.DERIBIT_CLIENT_SECRET },
};
