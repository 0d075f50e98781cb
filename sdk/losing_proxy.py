"""A reverse proxy that loses responses: the service has done the work, but its client does not learn that."""

import http.client
import http.server
import random
import threading


class LosingProxy(http.server.ThreadingHTTPServer):
    """Loses a share of the responses, half of them after a part of the body. `lost` counts them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, loss: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target, self.loss, self.lost = port, loss, 0
        self.random, self.lock = random.Random(20), threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    server: LosingProxy
    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=30)
        upstream.request(self.command, self.path, body, dict(self.headers))
        response = upstream.getresponse()
        content = response.read()
        upstream.close()
        with self.server.lock:
            is_lost, is_cut = self.server.random.random() < self.server.loss, self.server.random.random() < 0.5
            self.server.lost += is_lost
        self.close_connection = is_lost
        if is_lost and not is_cut:
            return
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() != "connection":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if is_lost else content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward

    def log_message(self, format: str, *args: object) -> None:
        pass
