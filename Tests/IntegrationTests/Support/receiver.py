"""A receiver of webhooks for tests: writes each message as a line of JSON, and answers as its path says.

  /ok  /gone  /busy (503 with Retry-After: 1)  /moved (to /ok)  /fail/N (500 for the first N times)
  /hang (never)  /hang/N (never for the first N times)  /endless (200, and a body that does not end)
  /verify  checks the signature with the package standardwebhooks, by the secret in the environment's SECRET
  What comes after ? only tells webhooks apart, each of which counts its own attempts.
"""
import http.server
import json
import os
import sys
import threading
import time

attempts = {}
lock = threading.Lock()


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = self.headers["webhook-id"], self.path
        with lock:
            attempts[message] = count = attempts.get(message, 0) + 1
        status, verified = 200, None
        path, _, number = self.path.split("?")[0].removeprefix("/").partition("/")
        if path == "hang" and count <= int(number or sys.maxsize):
            self.note(body, None, None)
            time.sleep(3600)
        elif path == "gone":
            status = 410
        elif path == "busy":
            status = 503 if count == 1 else 200
        elif path == "moved":
            status = 307
        elif path == "fail":
            status = 500 if count <= int(number) else 200
        elif path == "verify":
            from standardwebhooks import Webhook
            try:
                Webhook(os.environ["SECRET"]).verify(body, dict(self.headers))
                verified = True
            except Exception as error:
                verified = repr(error)
        if path == "endless":
            return self.answer_without_end(body)
        self.note(body, status, verified)
        answer = b"thanks" * 1000 if path == "long" else b"thanks"
        self.send_response(status)
        if status == 307:
            self.send_header("Location", "/ok")
        if status == 503:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def answer_without_end(self, body):
        self.close_connection = True
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        sent = 0
        try:
            while sent < 1 << 30:
                sent += self.connection.send(b"x" * 65536)
        except OSError:
            pass
        self.note(body, 200, None, sent)

    def note(self, body, status, verified, sent=None):
        line = {"sent": sent, "path": self.path, "status": status, "verified": verified, "at": time.time(),
                "headers": {k.lower(): v for k, v in self.headers.items()}, "body": json.loads(body)}
        with lock:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


server = Server(("127.0.0.1", 0), Receiver)
print(f"listening 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
