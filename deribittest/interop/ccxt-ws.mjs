// ccxt.pro over WebSocket: client_signature, channels, and the events of orders that are placed over REST.
import assert from 'node:assert/strict';
import ccxt from 'ccxt';
import { check, exchange, until } from './check.mjs';

const client = new ccxt.pro.deribit({ ...exchange.key, urls: { api: { rest: exchange.rest, ws: exchange.ws } } });
const perpetual = 'BTC/USD:BTC';
await client.loadHttpProxyAgent(); // ccxt wants this before ws:// without TLS

await check('loadMarkets', async () => `${Object.keys(await client.loadMarkets()).length} markets`);

await check('watchTicker', async () => {
  const first = await client.watchTicker(perpetual);
  const { timestamp } = await until(() => client.watchTicker(perpetual), (t) => t.timestamp > first.timestamp);
  return `${timestamp - first.timestamp} ms to the next`;
});

await check('watchOrderBook', async () => {
  let book;
  for (let i = 0; i < 10; i++) {
    book = await client.watchOrderBook(perpetual);
    assert.ok(book.asks[0][0] > book.bids[0][0], `crossed: ${book.bids[0]} / ${book.asks[0]}`);
  }
  return `${book.bids[0]} / ${book.asks[0]}`;
});

await check('watchTrades', async () => {
  const trades = await client.watchTrades(perpetual);
  assert.ok(trades.length > 0 && trades[0].price > 0);
  return `${trades[0].side} ${trades[0].amount} at ${trades[0].price}`;
});

await check('watchBidsAsks', async () => {
  const quotes = await client.watchBidsAsks([perpetual]);
  assert.ok(quotes[perpetual].ask > quotes[perpetual].bid);
  return `${quotes[perpetual].bid} ${quotes[perpetual].ask}`;
});

await check('watchOrders', async () => {
  const { bid } = await client.fetchTicker(perpetual);
  const place = () => client.createOrder(perpetual, 'limit', 'buy', 10, Math.round(bid * 0.9), { label: 'watched' });
  const first = await whenSubscribed(client.watchOrders(perpetual), place);
  const { id } = first.find((o) => o.info.label === 'watched');
  await client.cancelOrder(id);
  const statuses = await until(
    async () => (await client.watchOrders(perpetual)).filter((o) => o.id === id).map((o) => o.status),
    (seen) => seen.includes('canceled'),
  );
  return `open, ${statuses.join(', ')}`;
});

await check('watchMyTrades', async () => {
  const take = () => client.createOrder(perpetual, 'market', 'buy', 10);
  const trades = await whenSubscribed(client.watchMyTrades(perpetual), take);
  assert.ok(trades[0].price > 0);
  return `${trades[0].side} ${trades[0].amount} at ${trades[0].price}`;
});

await check('watchBalance', async () => {
  const take = () => client.createOrder(perpetual, 'market', 'sell', 10);
  const balance = await whenSubscribed(client.watchBalance(), take);
  assert.ok(balance.BTC.BTC.total > 0); // ccxt nests it so
  return `${balance.BTC.BTC.total} BTC`;
});

await check('close', async () => {
  await client.close();
  return 'closed';
});

// whenSubscribed causes events until the first one is seen: ccxt does not tell when its subscription stands.
async function whenSubscribed(watching, cause) {
  let seen = false;
  const done = watching.finally(() => (seen = true));
  while (!seen) {
    await cause();
    await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 300))]);
  }
  return done;
}
