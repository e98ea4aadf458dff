// ccxt over REST: requests signed with deri-hmac-sha256.
import assert from 'node:assert/strict';
import ccxt from 'ccxt';
import { check, exchange } from './check.mjs';

const urls = { api: { rest: exchange.rest } };
const client = new ccxt.deribit({ ...exchange.key, urls });
const perpetual = 'BTC/USD:BTC';

await check('fetchTime', async () => {
  const time = await client.fetchTime();
  assert.ok(Math.abs(time - Date.now()) < 60_000, `${time}`);
  return time;
});

await check('fetchStatus', async () => {
  const { status } = await client.fetchStatus();
  assert.equal(status, 'ok');
  return status;
});

await check('fetchCurrencies', async () => {
  const currencies = await client.fetchCurrencies();
  assert.ok(currencies.BTC.id === 'BTC');
  return Object.keys(currencies).join(' ');
});

await check('loadMarkets', async () => {
  const markets = await client.loadMarkets();
  assert.equal(markets[perpetual].id, 'BTC-PERPETUAL');
  assert.ok(markets[perpetual].contractSize > 0);
  return `${Object.keys(markets).length} markets`;
});

await check('fetchTicker', async () => {
  const ticker = await client.fetchTicker(perpetual);
  assert.ok(ticker.ask > ticker.bid && ticker.bid > 0);
  return `${ticker.bid} ${ticker.ask}`;
});

await check('fetchTickers', async () => {
  const tickers = await client.fetchTickers(undefined, { code: 'BTC' });
  assert.ok(tickers[perpetual]);
  return `${Object.keys(tickers).length} tickers`;
});

await check('fetchOrderBook', async () => {
  const book = await client.fetchOrderBook(perpetual, 5);
  assert.ok(book.bids.length > 0 && book.asks[0][0] > book.bids[0][0]);
  return `${book.bids[0]} / ${book.asks[0]}`;
});

await check('fetchTrades', async () => {
  const trades = await client.fetchTrades(perpetual, undefined, 5);
  assert.ok(trades.length > 0 && trades.every((t) => t.price > 0 && t.amount > 0));
  return `${trades.length} trades`;
});

await check('fetchOHLCV', async () => {
  const candles = await client.fetchOHLCV(perpetual, '1m');
  assert.ok(candles.length > 0 && candles.every(([, , high, low]) => high >= low));
  return `${candles.length} candles`;
});

await check('fetchGreeks', async () => {
  const { symbol } = Object.values(client.markets).find((m) => m.option);
  const { delta } = await client.fetchGreeks(symbol);
  assert.ok(delta >= -1 && delta <= 1);
  return `${symbol}: ${delta}`;
});

await check('fetchBalance', async () => {
  const balance = await client.fetchBalance();
  assert.ok(balance.BTC.total > 0);
  return `${balance.BTC.total} BTC`;
});

let order;
await check('createOrder', async () => {
  const { bid } = await client.fetchTicker(perpetual);
  order = await client.createOrder(perpetual, 'limit', 'buy', 10, Math.round(bid * 0.9), { label: 'resting' });
  assert.equal(order.status, 'open');
  return order.id;
});

await check('fetchOrder', async () => {
  const seen = await client.fetchOrder(order.id);
  assert.equal(seen.info.label, 'resting');
  assert.equal(seen.amount, 10);
  return seen.status;
});

await check('fetchOpenOrders', async () => {
  const open = await client.fetchOpenOrders(perpetual);
  assert.ok(open.some((o) => o.id === order.id));
  return `${open.length} open`;
});

await check('editOrder', async () => {
  const edited = await client.editOrder(order.id, perpetual, 'limit', 'buy', 20, order.price);
  assert.equal(edited.amount, 20);
  return edited.amount;
});

await check('cancelOrder', async () => {
  const cancelled = await client.cancelOrder(order.id);
  assert.equal(cancelled.status, 'canceled');
  return cancelled.status;
});

await check('cancelOrder again', async () => {
  await assert.rejects(client.cancelOrder(order.id), (e) => e instanceof ccxt.BaseError);
  return 'refused';
});

await check('createOrder at market', async () => {
  const filled = await client.createOrder(perpetual, 'market', 'buy', 10, undefined, { label: 'taker' });
  assert.equal(filled.status, 'closed');
  assert.equal(filled.filled, 10);
  const trades = await client.fetchMyTrades(perpetual);
  assert.ok(trades.some((t) => t.order === filled.id));
  return `${filled.average}, ${trades.length} trades`;
});

await check('fetchPositions', async () => {
  const positions = await client.fetchPositions([perpetual]);
  assert.equal(positions[0].side, 'long');
  return `${positions[0].side} ${positions[0].contracts}`;
});

await check('cancelAllOrders', async () => {
  const { bid } = await client.fetchTicker(perpetual);
  await client.createOrder(perpetual, 'limit', 'buy', 10, Math.round(bid * 0.9));
  await client.cancelAllOrders(perpetual);
  assert.equal((await client.fetchOpenOrders(perpetual)).length, 0);
  return 'none open';
});

await check('a wrong secret', async () => {
  const stranger = new ccxt.deribit({ ...exchange.key, secret: 'wrong', urls });
  await assert.rejects(stranger.fetchBalance(), (e) => e instanceof ccxt.AuthenticationError);
  return 'AuthenticationError';
});
