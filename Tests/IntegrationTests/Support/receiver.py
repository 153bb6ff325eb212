"""A receiver of webhooks for tests: writes each message as a line of JSON, and answers as its path says.

  /ok  /gone  /busy (503 with Retry-After: 1)  /moved (to /ok)  /hang (never)  /fail/N (500 for the first N times)
  /verify  checks the signature with the package standardwebhooks, by the secret in the environment's SECRET
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
        message = self.headers["webhook-id"]
        with lock:
            attempts[message] = count = attempts.get(message, 0) + 1
        status, verified = 200, None
        if self.path == "/hang":
            self.note(body, None, None)
            time.sleep(3600)
        elif self.path == "/gone":
            status = 410
        elif self.path == "/busy":
            status = 503 if count == 1 else 200
        elif self.path == "/moved":
            status = 307
        elif self.path.startswith("/fail/"):
            status = 500 if count <= int(self.path.split("/")[2]) else 200
        elif self.path == "/verify":
            from standardwebhooks import Webhook
            try:
                Webhook(os.environ["SECRET"]).verify(body, dict(self.headers))
                verified = True
            except Exception as error:
                verified = repr(error)
        self.note(body, status, verified)
        answer = b"thanks" * 1000 if self.path == "/long" else b"thanks"
        self.send_response(status)
        if status == 307:
            self.send_header("Location", "/ok")
        if status == 503:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def note(self, body, status, verified):
        line = {"path": self.path, "status": status, "verified": verified, "at": time.time(),
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
