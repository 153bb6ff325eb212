"""A collector of OpenTelemetry for tests: writes each body of POST …/v1/traces as a line of JSON, and answers as its path says.

  /v1/traces  /hang/… (never)  /busy/… (503 with Retry-After: 1, then 200)  /refuse/… (400)
  /partial/… (200, but one span was rejected)
"""
import http.server
import json
import sys
import threading
import time

lock = threading.Lock()
count = 0


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        global count
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        kind = self.path.split("/")[1]
        with lock:
            count += 1
            first = count == 1
            line = {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
                    "text": text, "body": json.loads(text)}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
        if kind == "hang":
            time.sleep(3600)
        status = 503 if kind == "busy" and first else 400 if kind == "refuse" else 200
        rejected = {"partialSuccess": {"rejectedSpans": "1", "errorMessage": "one too many"}}
        answer = json.dumps(rejected if kind == "partial" else {}).encode()
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", 0), Collector)
print(f"listening 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
