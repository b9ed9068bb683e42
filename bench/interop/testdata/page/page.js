// What the page does, at the command of the test. Each function gives what the test is to judge; the log is
// for who looks at the page.
'use strict';

function log(text) {
  document.getElementById('log').append(text + '\n');
}

class Socket {
  constructor(path, { origin = location.origin, protocols = [] } = {}) {
    this.messages = [];
    this.wanted = null; // resolves the promise of next
    this.errors = 0;
    this.socket = new WebSocket(origin.replace('http', 'ws') + path, protocols);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onerror = () => this.errors++;
    this.socket.onmessage = ({ data }) => {
      this.messages.push(data);
      this.wanted?.();
    };
    this.closed = new Promise((resolve) => {
      this.socket.onclose = ({ code, reason, wasClean }) => {
        resolve({ code, reason, wasClean });
        this.wanted?.();
      };
    });
    const opened = new Promise((resolve) => { this.socket.onopen = () => resolve(true); });
    this.opened = Promise.race([opened, this.closed.then(() => false)]);
    this.closed.then(({ code, reason, wasClean }) => {
      if (code > 1001) log(`${this.socket.url} closed: ${code} ${reason} ${wasClean ? 'clean' : 'not clean'}`);
    });
  }

  send(data) {
    this.socket.send(data);
  }

  // next gives the next message, undefined behind the last.
  async next() {
    while (this.messages.length === 0 && this.socket.readyState < WebSocket.CLOSED) {
      await new Promise((resolve) => { this.wanted = resolve; });
    }
    return this.messages.shift();
  }

  async end(code, reason) {
    this.socket.close(code, reason);
    return this.closed;
  }
}

const same = (a, b) => a.byteLength === b.byteLength && new Uint8Array(a).every((x, i) => x === new Uint8Array(b)[i]);

// How the page itself came.
function navigation() {
  return performance.getEntriesByType('navigation')[0].nextHopProtocol;
}

async function get(url, options) {
  const response = await fetch(url, options);
  log(`GET ${url}: ${response.type} ${response.status}`);
  return { status: response.status, text: await response.text() };
}

// A socket that says hello and is closed by the page with 4001.
async function hello(path, options) {
  const s = new Socket(path, options);
  const result = { opened: await s.opened, protocol: s.socket.protocol };
  if (result.opened) {
    log(`${s.socket.url} open, subprotocol "${s.socket.protocol}", extensions "${s.socket.extensions}"`);
    s.send('hello');
    result.echo = await s.next();
    s.socket.close(4001, 'bye');
  }
  return { ...result, close: await s.closed, errors: s.errors };
}

// A socket that has the server close it with 4002.
async function closedByServer(path, options) {
  const s = new Socket(path, options);
  const opened = await s.opened;
  s.send('!close 4002 later');
  return { opened, close: await s.closed, errors: s.errors };
}

// Sockets with traffic both ways: each echoes some messages, the first has the server publish some to all.
async function many(path, sockets, messages) {
  const all = Array.from({ length: sockets }, () => new Socket(path));
  const opened = await Promise.all(all.map((s) => s.opened));
  const echoed = await Promise.all(all.map(async (s, i) => {
    for (let k = 0; k < messages; k++) {
      s.send(`${i} ${k}`);
      if (await s.next() !== `${i} ${k}`) return false;
    }
    return true;
  }));
  all[0].send(`!publish ${messages} 100`);
  const published = await Promise.all(all.map(async (s) => {
    for (let k = 0; k < messages; k++) {
      if (parseInt(await s.next()) !== k) return false;
    }
    return true;
  }));
  const closed = await Promise.all(all.map((s) => s.end(1000, '')));
  const count = (list) => list.filter((x) => x).length;
  log(`${sockets} sockets of ${path}, ${messages} messages each way`);
  return {
    opened: count(opened), echoed: count(echoed), published: count(published),
    closed: count(closed.map((c) => c.code === 1000 && c.wasClean)),
  };
}

// A large binary message there and back.
async function large(path, octets, options) {
  const s = new Socket(path, options);
  await s.opened;
  const data = Uint8Array.from({ length: octets }, (_, i) => i * 7 + (i >> 8)).buffer;
  s.send(data);
  const echo = await s.next();
  log(`${octets} octets there and back: ${same(data, echo)}`);
  return { same: same(data, echo), close: await s.end(1000, '') };
}

// Sockets that echo without end, and what became of them: how many were closed with 1001, and how many
// echoes there were on the others when one was closed already.
const busy = { sockets: [], closed: 0, echoesAfter: 0 };

async function startBusy(path, sockets) {
  busy.sockets = Array.from({ length: sockets }, () => new Socket(path));
  const opened = await Promise.all(busy.sockets.map((s) => s.opened));
  for (const s of busy.sockets) {
    s.closed.then(() => busy.closed++);
    keepBusy(s);
  }
  return opened.filter((x) => x).length;
}

async function keepBusy(s) {
  for (let k = 0; s.socket.readyState === WebSocket.OPEN; k++) {
    s.send(`${k}`);
    if (await s.next() === `${k}` && busy.closed > 0) busy.echoesAfter++;
  }
}

async function endBusy() {
  const closed = await Promise.all(busy.sockets.map((s) => s.closed));
  const clean = closed.filter((c) => c.code === 1001 && c.reason === 'going away' && c.wasClean).length;
  log(`${clean} busy sockets closed with 1001, after ${busy.echoesAfter} echoes since the first`);
  return { clean, echoesAfter: busy.echoesAfter };
}

// Sockets that stay, for the steps of a test.
const held = {};

async function hold(name, path, options) {
  held[name] = new Socket(path, options);
  return held[name].opened;
}

async function echoHeld(name, text) {
  held[name].send(text);
  return held[name].next();
}

log(`this page of ${location.origin}: ${navigation()}`);
