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

await check('watchOHLCV', async () => {
  const [[, , high, low]] = await client.watchOHLCV(perpetual, '1m');
  assert.ok(high >= low);
  return `${low} to ${high}`;
});

await check('watchOrders', async () => {
  const { bid } = await client.fetchTicker(perpetual);
  const place = () => client.createOrder(perpetual, 'limit', 'buy', 10, Math.round(bid * 0.9), { label: 'watched' });
  const watch = () => client.watchOrders(perpetual);
  const open = (o) => o.info.label === 'watched' && o.status === 'open';
  const { id } = (await seen(watch, place, (orders) => orders.some(open))).find(open);
  await client.cancelOrder(id);
  await seen(watch, place, (orders) => orders.some((o) => o.id === id && o.status === 'canceled'));
  return 'open, canceled';
});

await check('watchMyTrades', async () => {
  const take = () => client.createOrder(perpetual, 'market', 'buy', 10);
  const [trade] = await seen(() => client.watchMyTrades(perpetual), take, (trades) => trades.length > 0);
  assert.ok(trade.price > 0);
  return `${trade.side} ${trade.amount} at ${trade.price}`;
});

await check('watchBalance', async () => {
  const take = () => client.createOrder(perpetual, 'market', 'sell', 10);
  const balance = await seen(() => client.watchBalance(), take, ({ BTC }) => BTC !== undefined);
  assert.ok(balance.BTC.BTC.total > 0); // ccxt nests it so
  return `${balance.BTC.BTC.total} BTC`;
});

await check('close', async () => {
  await client.close();
  return 'closed';
});

// seen causes events until one of them satisfies the condition: ccxt tells neither when its subscription stands, nor, at once,
// of what came while nobody watched.
async function seen(watch, cause, satisfied) {
  for (;;) {
    const watching = watch();
    watching.catch(() => {}); // it fails when the client is closed
    await cause();
    const value = await Promise.race([watching, new Promise((resolve) => setTimeout(resolve, 300))]);
    if (value !== undefined && satisfied(value)) return value;
  }
}
