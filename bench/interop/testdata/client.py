"""WebSockets over HTTP/2 with h2, and the frames of wsproto. Writes a report (see report in script_test.go)
for the server at the address given."""

import json
import socket
import ssl
import sys
import urllib.parse

import h2.config
import h2.connection
import h2.events
import h2.settings
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage


class Session:
    """One HTTP/2 connection and its WebSockets by stream."""

    def __init__(self, origin):
        url = urllib.parse.urlsplit(origin)
        self.scheme, self.authority = url.scheme, url.netloc
        self.socket = socket.create_connection((url.hostname, url.port), timeout=30)
        if self.scheme == "https":
            context = ssl._create_unverified_context()
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.streams = {}
        self.extended_connect = None
        self.run(lambda: self.extended_connect is not None)

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def run(self, done):
        """Handles what the server says until done."""
        self.flush()
        while not done():
            octets = self.socket.recv(65536)
            if not octets:
                raise EOFError("the server has closed the connection")
            for event in self.h2.receive_data(octets):
                self.handle(event)
            self.flush()

    def handle(self, event):
        if isinstance(event, h2.events.RemoteSettingsChanged):
            code = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
            self.extended_connect = code in event.changed_settings and event.changed_settings[code].new_value == 1
        elif isinstance(event, h2.events.ResponseReceived):
            self.streams[event.stream_id].fields = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if event.data:  # wsproto takes nothing behind a Close frame, not even nothing
                self.streams[event.stream_id].receive(event.data)
        elif isinstance(event, h2.events.StreamEnded):
            self.streams[event.stream_id].ended = True
        elif isinstance(event, h2.events.WindowUpdated):
            for stream in self.streams.values():
                stream.drain()
        elif isinstance(event, h2.events.StreamReset) and not self.streams[event.stream_id].ended:
            raise EOFError(f"stream {event.stream_id} was reset: {event.error_code}")


class Socket:
    """One WebSocket on a stream."""

    def __init__(self, session, path, protocols=()):
        self.session = session
        self.frames = Connection(ConnectionType.CLIENT)
        self.fields = None
        self.part, self.messages = "", []
        self.unsent, self.ending = b"", False
        self.close, self.ended = None, False
        self.id = session.h2.get_next_available_stream_id()
        session.streams[self.id] = self
        fields = [
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", session.scheme),
            (":authority", session.authority), (":path", path), ("sec-websocket-version", "13"),
        ]
        if protocols:
            fields.append(("sec-websocket-protocol", ", ".join(protocols)))
        session.h2.send_headers(self.id, fields)
        session.run(lambda: self.fields is not None)

    def receive(self, octets):
        self.frames.receive_data(octets)
        for event in self.frames.events():
            if isinstance(event, TextMessage):
                self.part += event.data
                if event.message_finished:
                    self.messages.append(self.part)
                    self.part = ""
            elif isinstance(event, CloseConnection):
                self.close = {"code": int(event.code), "reason": event.reason or ""}

    def drain(self):
        """Sends what the windows allow."""
        while self.unsent:
            n = min(self.session.h2.local_flow_control_window(self.id), self.session.h2.max_outbound_frame_size)
            if n == 0:
                return
            self.session.h2.send_data(self.id, self.unsent[:n])
            self.unsent = self.unsent[n:]
        if self.ending:
            self.session.h2.end_stream(self.id)
            self.ending = False

    def send(self, text):
        self.unsent += self.frames.send(TextMessage(text))
        self.drain()

    def next(self):
        self.session.run(lambda: self.messages)
        return self.messages.pop(0)

    def send_close(self, code, reason=""):
        """Sends a Close frame, the first one or the answer, and ends the stream behind it."""
        self.unsent += self.frames.send(CloseConnection(code, reason))
        self.ending = True
        self.drain()

    def wait_closed(self):
        self.session.run(lambda: self.ended)
        return self.close


def main(origin):
    report = {}
    session = Session(origin)
    report["extendedConnect"] = session.extended_connect

    echo = Socket(session, "/echo", ["bad", "good"])
    report["subprotocol"] = echo.fields.get("sec-websocket-protocol", "")
    echo.send("hello")
    report["echo"] = echo.next()
    large = "0123456789abcdef" * (1 << 16)
    echo.send(large)
    report["large"] = echo.next() == large
    echo.send_close(4001, "bye")
    report["clientCloses"] = echo.wait_closed()

    members = [Socket(session, "/topic") for _ in range(20)]
    members[0].send("!publish 10 100")
    report["fanOut"] = [[int(member.next().split()[0]) for _ in range(10)] for member in members]
    for member in members:
        member.send_close(1000)
        member.wait_closed()

    last = Socket(session, "/server-closes")
    last.send("!close 4002 later")
    session.run(lambda: last.close)
    last.send_close(last.close["code"])
    report["serverCloses"] = last.wait_closed()

    report["refused"] = int(Socket(session, "/refuse/403").fields[":status"])
    print(json.dumps(report))


main(sys.argv[1])
