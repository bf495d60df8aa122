"""A server that issues access tokens (RFC 6749, RFC 8628) over HTTPS, with moods, and the smarthost
that takes them: nodemailer's smtp-server."""
import http.server
import json
import os
import subprocess
import threading
import urllib.parse

from names import HOSTS
from relay import free_port, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))


class TokenServer:
    """Answers POST /token and POST /device. `moods` are answers to come first, each once: functions
    of the handler and its form; without any it issues a token, good at the smarthost."""

    def __init__(self, certs, folder, leaf="login"):
        self.host, self.port = "login.example", free_port()
        self.url = f"https://{self.host}:{self.port}"
        self.good_path = os.path.join(folder, "good-tokens")
        self.forms, self.paths, self.moods = [], [], []
        self.issued = 0
        self.life = 3600
        self.refresh_token = "refresh-0"  # the one that is good now
        self.rotates = False
        self.pending = 0                  # polls that are answered "not yet"
        self.lock = threading.Lock()
        self.make_good()
        certs.leaf("login", self.host)
        certs.leaf("login-unknown", self.host, authority="stranger")
        certs.leaf("login-expired", self.host, days=-1)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                assert self.headers["Host"] == f"{outer.host}:{outer.port}"
                with outer.lock:
                    outer.paths.append(self.path)
                    outer.forms.append(dict(urllib.parse.parse_qsl(form)))
                    mood = outer.moods.pop(0) if outer.moods else None
                    form = outer.forms[-1]
                (mood or outer.answer)(self, form)

            def log_message(self, *_):
                pass

        # Threads of handlers that never answer must not keep the tests from ending.
        self.server = http.server.ThreadingHTTPServer((HOSTS[self.host], self.port), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.server.socket = certs.server_context(leaf).wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def make_good(self, *tokens):
        """These and no others are good at the smarthost."""
        with open(self.good_path + ".new", "w", encoding="utf-8") as f:
            f.write("".join(t + "\n" for t in tokens))
        os.rename(self.good_path + ".new", self.good_path)

    def answer(self, handler, form):
        if handler.path == "/device":
            return reply(handler, 200, {"device_code": "the-device-code", "user_code": "WDJB-MJHT",
                                        "verification_uri": self.url + "/enter", "expires_in": 600,
                                        "interval": 1})
        grant = form.get("grant_type")
        if grant == "refresh_token" and form.get("refresh_token") != self.refresh_token:
            return refuse(handler, "invalid_grant", "the grant is no more")
        if grant.endswith("device_code"):
            if form["device_code"] != "the-device-code":
                return refuse(handler, "invalid_grant")
            if self.pending:
                self.pending -= 1
                return refuse(handler, "authorization_pending")
        return self.issue(handler, grant)

    def issue(self, handler, grant):
        with self.lock:
            self.issued += 1
            token = f"access-{self.issued}"
            answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.life}
            if grant.endswith("device_code") or self.rotates:
                self.refresh_token = f"refresh-{self.issued}"
                answer["refresh_token"] = self.refresh_token
            self.make_good(token)
        reply(handler, 200, answer)


def reply(handler, status, body):
    text = (body if isinstance(body, str) else json.dumps(body)).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(text)))
    handler.end_headers()
    handler.wfile.write(text)


def refuse(handler, error, words="no"):
    reply(handler, 400, {"error": error, "error_description": words})


class OauthSmarthost:
    def __init__(self, certs, good_path, user):
        self.port = free_port(HOSTS["smart.example"])
        certificate, key = certs.path("smart")
        self.path = good_path + ".smarthost"
        self.out = open(self.path, "wb")
        self.process = subprocess.Popen(
            ["node", os.path.join(HERE, "smtp_oauth.js")], stdin=subprocess.DEVNULL, stdout=self.out,
            env={**os.environ, "NODE_PATH": os.path.join(HERE, "node_modules"), "CERT": certificate,
                 "KEY": key, "TOKENS": good_path, "USER_NAME": user, "PORT": str(self.port),
                 "HOST": HOSTS["smart.example"]})
        wait_for(lambda: self.said("listens"))

    def said(self, key):
        with open(self.path, encoding="utf-8") as f:
            lines = [json.loads(line) for line in f if line.endswith("\n")]
        return [line for line in lines if key in line]

    def mails(self):
        return [line["mail"] for line in self.said("mail")]

    def logins(self):
        return [(line["token"], line["good"]) for line in self.said("login")]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.out.close()
