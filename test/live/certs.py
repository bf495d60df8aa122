"""Certificates, made with openssl when the tests begin."""
import os
import ssl
import subprocess


class Certificates:
    """An authority, and leaves by name: `path("smart")` is (certificate chain, key)."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        self.folder = folder
        self.authority = self.make_authority("ca", "Test Authority")
        self.stranger = self.make_authority("stranger", "Nobody's Authority")
        self.leaf("smart", "smart.example")
        self.leaf("moody", "mx.moody.example")
        self.leaf("relay", "relay.example")
        self.leaf("relay-rsa", "relay.example", key="rsa")
        self.leaf("relay-new", "new.relay.example")
        self.leaf("wrong-name", "elsewhere.example")
        self.leaf("unknown", "smart.example", authority="stranger")
        self.leaf("expired", "smart.example", days=-1)

    def file(self, name):
        return os.path.join(self.folder, name)

    def path(self, name):
        return self.file(name + ".pem"), self.file(name + ".key")

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=self.folder)

    def new_key(self, name, kind="ec"):
        algorithm = (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec"
                     else ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        self.openssl("genpkey", *algorithm, "-out", name + ".key")
        os.chmod(self.file(name + ".key"), 0o644)

    def make_authority(self, name, subject):
        self.new_key(name)
        self.openssl("req", "-x509", "-new", "-key", name + ".key", "-subj", f"/CN={subject}",
                     "-days", "3650", "-out", name + ".pem")
        return self.file(name + ".pem")

    def leaf(self, name, host, authority="ca", days=3650, key="ec"):
        self.new_key(name, key)
        with open(self.file(name + ".ext"), "w", encoding="utf-8") as f:
            f.write(f"subjectAltName=DNS:{host}\nbasicConstraints=CA:FALSE\n")
        self.openssl("req", "-new", "-key", name + ".key", "-subj", f"/CN={host}", "-out",
                     name + ".csr")
        self.openssl("x509", "-req", "-in", name + ".csr", "-CA", authority + ".pem", "-CAkey",
                     authority + ".key", "-CAcreateserial", "-days", str(days), "-extfile",
                     name + ".ext", "-out", name + ".pem")

    def server_context(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.path(name))
        return context

    def client_context(self):
        return ssl.create_default_context(cafile=self.authority)
