/* tls_error.c -- BearSSL's numbers in words; the library has none. */
#include "net/tls.h"

#include <bearssl.h>

static const char *const text[63] = {
    [BR_ERR_OK] = "closed",
    [BR_ERR_BAD_PARAM] = "bad parameter",
    [BR_ERR_BAD_STATE] = "bad state",
    [BR_ERR_UNSUPPORTED_VERSION] = "not TLS, or a version that is not supported",
    [BR_ERR_BAD_VERSION] = "the version changed midway",
    [BR_ERR_BAD_LENGTH] = "a record has a wrong length",
    [BR_ERR_TOO_LARGE] = "a record is too large",
    [BR_ERR_BAD_MAC] = "a record does not decrypt",
    [BR_ERR_NO_RANDOM] = "no randomness",
    [BR_ERR_UNKNOWN_TYPE] = "a record of unknown type",
    [BR_ERR_UNEXPECTED] = "an unexpected message",
    [BR_ERR_BAD_CCS] = "a bad ChangeCipherSpec message",
    [BR_ERR_BAD_ALERT] = "a bad alert",
    [BR_ERR_BAD_HANDSHAKE] = "a bad handshake message",
    [BR_ERR_OVERSIZED_ID] = "the session id is too long",
    [BR_ERR_BAD_CIPHER_SUITE] = "no cipher suite in common",
    [BR_ERR_BAD_COMPRESSION] = "no compression method in common",
    [BR_ERR_BAD_FRAGLEN] = "a wrong maximum fragment length",
    [BR_ERR_BAD_SECRENEG] = "secure renegotiation failed",
    [BR_ERR_EXTRA_EXTENSION] = "an extension that was not offered",
    [BR_ERR_BAD_SNI] = "a bad server name extension",
    [BR_ERR_BAD_HELLO_DONE] = "a bad ServerHelloDone message",
    [BR_ERR_LIMIT_EXCEEDED] = "a limit of the library is exceeded",
    [BR_ERR_BAD_FINISHED] = "the Finished message does not match",
    [BR_ERR_RESUME_MISMATCH] = "the resumed session has other parameters",
    [BR_ERR_INVALID_ALGORITHM] = "no algorithm in common",
    [BR_ERR_BAD_SIGNATURE] = "a bad signature in the key exchange",
    [BR_ERR_WRONG_KEY_USAGE] = "the server's key does not fit the cipher suite",
    [BR_ERR_NO_CLIENT_AUTH] = "a client certificate is required",
    [BR_ERR_IO] = "input or output failed",
    [BR_ERR_X509_OK] = "ok",
    [BR_ERR_X509_INVALID_VALUE] = "the certificate has an invalid value",
    [BR_ERR_X509_TRUNCATED] = "the certificate is cut short",
    [BR_ERR_X509_EMPTY_CHAIN] = "no certificate was sent",
    [BR_ERR_X509_INNER_TRUNC] = "the certificate is cut short inside",
    [BR_ERR_X509_BAD_TAG_CLASS] = "the certificate is not well formed (tag class)",
    [BR_ERR_X509_BAD_TAG_VALUE] = "the certificate is not well formed (tag value)",
    [BR_ERR_X509_INDEFINITE_LENGTH] = "the certificate is not DER (indefinite length)",
    [BR_ERR_X509_EXTRA_ELEMENT] = "the certificate has something extra",
    [BR_ERR_X509_UNEXPECTED] = "the certificate has an unexpected element",
    [BR_ERR_X509_NOT_CONSTRUCTED] = "the certificate is not well formed (constructed)",
    [BR_ERR_X509_NOT_PRIMITIVE] = "the certificate is not well formed (primitive)",
    [BR_ERR_X509_PARTIAL_BYTE] = "the certificate is not well formed (bit string)",
    [BR_ERR_X509_BAD_BOOLEAN] = "the certificate is not well formed (boolean)",
    [BR_ERR_X509_OVERFLOW] = "the certificate has a number that is too large",
    [BR_ERR_X509_BAD_DN] = "the certificate has a bad name",
    [BR_ERR_X509_BAD_TIME] = "the certificate has a bad time",
    [BR_ERR_X509_UNSUPPORTED] = "the certificate uses an algorithm that is not supported",
    [BR_ERR_X509_LIMIT_EXCEEDED] = "the certificate or its chain is too large",
    [BR_ERR_X509_WRONG_KEY_TYPE] = "the certificate has a key of the wrong type",
    [BR_ERR_X509_BAD_SIGNATURE] = "a signature in the certificate chain is wrong",
    [BR_ERR_X509_TIME_UNKNOWN] = "the time is not known",
    [BR_ERR_X509_EXPIRED] = "the certificate has expired or is not yet valid",
    [BR_ERR_X509_DN_MISMATCH] = "the certificate chain does not fit together",
    [BR_ERR_X509_BAD_SERVER_NAME] = "the certificate is for another name",
    [BR_ERR_X509_CRITICAL_EXTENSION] = "a critical extension of the certificate is not supported",
    [BR_ERR_X509_NOT_CA] = "a certificate that is no CA has signed another",
    [BR_ERR_X509_FORBIDDEN_KEY_USAGE] = "the certificate's key may not be used like this",
    [BR_ERR_X509_WEAK_PUBLIC_KEY] = "the certificate's key is too weak",
    [BR_ERR_X509_NOT_TRUSTED] = "the certificate's issuer is not trusted",
};

/* RFC 5246 section 7.2, RFC 6066, RFC 7301. */
static const struct {
    int number;
    const char *received, *sent;
} alert[] = {
#define ALERT(number, name)                                                                        \
    {                                                                                              \
        number, "the other side reports: " name, "we reported: " name                              \
    }
    ALERT(0, "close notify"),
    ALERT(10, "unexpected message"),
    ALERT(20, "bad record MAC"),
    ALERT(21, "decryption failed"),
    ALERT(22, "record overflow"),
    ALERT(30, "decompression failure"),
    ALERT(40, "handshake failure (nothing in common)"),
    ALERT(41, "no certificate"),
    ALERT(42, "bad certificate"),
    ALERT(43, "unsupported certificate"),
    ALERT(44, "certificate revoked"),
    ALERT(45, "certificate expired"),
    ALERT(46, "certificate unknown"),
    ALERT(47, "illegal parameter"),
    ALERT(48, "unknown CA"),
    ALERT(49, "access denied"),
    ALERT(50, "decode error"),
    ALERT(51, "decrypt error"),
    ALERT(60, "export restriction"),
    ALERT(70, "protocol version"),
    ALERT(71, "insufficient security"),
    ALERT(80, "internal error"),
    ALERT(86, "inappropriate fallback"),
    ALERT(90, "user canceled"),
    ALERT(100, "no renegotiation"),
    ALERT(109, "missing extension"),
    ALERT(110, "unsupported extension"),
    ALERT(112, "unrecognized name"),
    ALERT(113, "bad certificate status response"),
    ALERT(116, "certificate required"),
    ALERT(120, "no application protocol"),
#undef ALERT
};

const char *tls_error_text(int e)
{
    if (e >= BR_ERR_RECV_FATAL_ALERT && e < BR_ERR_SEND_FATAL_ALERT + 256) {
        bool is_ours = e >= BR_ERR_SEND_FATAL_ALERT;
        for (size_t i = 0; i < COUNT_OF(alert); i++) {
            if (alert[i].number == (e & 0xff))
                return is_ours ? alert[i].sent : alert[i].received;
        }
        return is_ours ? "we reported an unknown alert" : "the other side reports an unknown alert";
    }
    if (e < 0 || (size_t)e >= COUNT_OF(text) || !text[e])
        return "unknown error";
    return text[e];
}
