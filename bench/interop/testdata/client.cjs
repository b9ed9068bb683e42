// WebSockets over HTTP/2 with Node's http2 and the frames of the package ws. Writes a report (see
// report in script_test.go) for the server at the address given.
'use strict';
const http2 = require('node:http2');
const { once } = require('node:events');
const { Receiver, Sender } = require('ws');

class Socket {
  constructor(session, path, protocols = []) {
    this.messages = [];
    this.wanted = null; // resolves the promise of next
    this.closed = new Promise((resolve) => { this.resolveClosed = resolve; });
    const head = {
      ':method': 'CONNECT', ':protocol': 'websocket', ':path': path, 'sec-websocket-version': '13',
      ':scheme': session.encrypted ? 'https' : 'http',
    };
    if (protocols.length > 0) head['sec-websocket-protocol'] = protocols.join(', ');
    this.stream = session.request(head);
    this.sender = new Sender(this.stream, {});
    const receiver = new Receiver({ isServer: false });
    receiver.on('message', (data) => {
      this.messages.push(data.toString());
      this.wanted?.();
    });
    receiver.on('conclude', (code, reason) => this.close = { code, reason: reason.toString() });
    receiver.on('error', (err) => { throw err; });
    this.stream.on('error', (err) => { throw err; });
    this.stream.on('end', () => this.resolveClosed(this.close));
    this.opened = once(this.stream, 'response').then(([fields]) => {
      this.status = fields[':status'];
      this.protocol = fields['sec-websocket-protocol'] ?? '';
      if (this.status === 200) this.stream.pipe(receiver);
    });
  }

  send(text) {
    this.sender.send(text, { binary: false, mask: true, fin: true, compress: false });
  }

  async next() {
    while (this.messages.length === 0) await new Promise((resolve) => { this.wanted = resolve; });
    return this.messages.shift();
  }

  // sendClose sends a Close frame, the first one or the answer, and ends the stream behind it.
  sendClose(code, reason) {
    this.sender.close(code, Buffer.from(reason), true);
    this.stream.end();
  }
}

async function open(session, path, protocols) {
  const socket = new Socket(session, path, protocols);
  await socket.opened;
  return socket;
}

async function main(origin) {
  const report = {};
  const session = http2.connect(origin, { rejectUnauthorized: false });
  const [settings] = await once(session, 'remoteSettings');
  report.extendedConnect = settings.enableConnectProtocol;

  const echo = await open(session, '/echo', ['bad', 'good']);
  report.subprotocol = echo.protocol;
  echo.send('hello');
  report.echo = await echo.next();
  const large = '0123456789abcdef'.repeat(1 << 16);
  echo.send(large);
  report.large = await echo.next() === large;
  echo.sendClose(4001, 'bye');
  report.clientCloses = await echo.closed;

  const members = [];
  for (let i = 0; i < 20; i++) members.push(await open(session, '/topic'));
  members[0].send('!publish 10 100');
  report.fanOut = await Promise.all(members.map(async (member) => {
    const numbers = [];
    for (let i = 0; i < 10; i++) numbers.push(parseInt(await member.next()));
    return numbers;
  }));
  for (const member of members) {
    member.sendClose(1000, '');
    await member.closed;
  }

  const last = await open(session, '/server-closes');
  last.send('!close 4002 later');
  while (last.close === undefined) await once(last.stream, 'data');
  last.sendClose(last.close.code, '');
  report.serverCloses = await last.closed;

  const refused = await open(session, '/refuse/403');
  report.refused = refused.status;

  console.log(JSON.stringify(report));
  session.close();
}

main(process.argv[2]);
