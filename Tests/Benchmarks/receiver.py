"""A receiver of webhooks that costs little: one thread, epoll.

GET / answers with how long after its event each message came, GET /arrivals with their ids and times, as JSON; both
begin anew. After GET /hang what is posted to /hang is never answered again.
"""
import calendar
import json
import re
import resource
import select
import socket
import time

STAMP = re.compile(rb'"timestamp":"(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)\.(\d+)Z"')
ID = re.compile(rb"webhook-id: *([^\r]+)", re.I)
LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"

resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
listener.setblocking(False)
print(listener.getsockname()[1], flush=True)
poll = select.epoll()
poll.register(listener, select.EPOLLIN)
clients, delays, arrivals, hangs = {}, [], [], False


def take(client, data):
    """Answers one request, and returns what is left; None if it is not whole yet."""
    global delays, arrivals, hangs
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = LENGTH.search(data, 0, end)
    stop = end + 4 + (int(length[1]) if length else 0)
    if len(data) < stop:
        return None
    if data.startswith(b"GET"):
        hangs = hangs or data.startswith(b"GET /hang")
        body = json.dumps(arrivals if data.startswith(b"GET /arrivals") else sorted(delays)).encode()
        delays, arrivals = [], []
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return data[stop:]
    if data.startswith(b"POST /hang") and hangs:
        return data[stop:]
    stamp = [int(x) for x in STAMP.search(data, end).groups()]
    now = time.time()
    delays.append(now - calendar.timegm(stamp[:6]) - stamp[6] / 1000)
    arrivals.append((ID.search(data, 0, end)[1].decode(), now))
    client.send(ANSWER)
    return data[stop:]


while True:
    for descriptor, _ in poll.poll():
        if descriptor == listener.fileno():
            client, _ = listener.accept()
            clients[client.fileno()] = [client, b""]
            poll.register(client, select.EPOLLIN)
            continue
        client, data = clients[descriptor]
        try:
            received = client.recv(65536)
        except OSError:
            received = b""
        if not received:
            poll.unregister(client)
            client.close()
            del clients[descriptor]
            continue
        data += received
        client.setblocking(True)
        while (left := take(client, data)) is not None:
            data = left
        clients[descriptor][1] = data
