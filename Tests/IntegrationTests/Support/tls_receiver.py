"""A receiver of webhooks that speaks TLS, and in it HTTP/2 or HTTP/1.1: writes each message as a line of JSON, answers 204.

  tls_receiver.py CERTIFICATE KEY PROTOCOL…     the protocols are those of ALPN: h2, http/1.1
"""
import json
import socket
import ssl
import sys
import threading

import h2.config
import h2.connection
import h2.events

lock = threading.Lock()


def note(connection, version, headers, body):
    line = {"connection": connection, "version": version, "path": headers[":path"],
            "headers": {name: value for name, value in headers.items() if name[0] != ":"}, "body": json.loads(body)}
    with lock:
        print(json.dumps(line), flush=True)


def speak_2(client, number):
    speaker = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    speaker.initiate_connection()
    client.sendall(speaker.data_to_send())
    headers, bodies = {}, {}
    while data := client.recv(65536):
        for event in speaker.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                headers[event.stream_id], bodies[event.stream_id] = dict(event.headers), b""
            elif isinstance(event, h2.events.DataReceived):
                bodies[event.stream_id] += event.data
                speaker.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                note(number, "2", headers.pop(event.stream_id), bodies.pop(event.stream_id))
                speaker.send_headers(event.stream_id, [(":status", "204")], end_stream=True)
        client.sendall(speaker.data_to_send())


def speak_1(client, number):
    with client.makefile("rb") as stream:
        while line := stream.readline():
            headers = {":path": line.split()[1].decode()}
            while (field := stream.readline().strip()) != b"":
                name, _, value = field.decode().partition(":")
                headers[name.lower()] = value.strip()
            note(number, "1.1", headers, stream.read(int(headers["content-length"])))
            client.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def serve(client, number):
    try:
        with context.wrap_socket(client, server_side=True) as client:
            (speak_2 if client.selected_alpn_protocol() == "h2" else speak_1)(client, number)
    except OSError as error:
        print(f"refused: {error}", flush=True)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.set_alpn_protocols(sys.argv[3:])
listener = socket.create_server(("127.0.0.1", 0), backlog=256)
print(f"listening 127.0.0.1:{listener.getsockname()[1]}", flush=True)
number = 0
while True:
    accepted, _ = listener.accept()
    number += 1
    threading.Thread(target=serve, args=(accepted, number), daemon=True).start()
