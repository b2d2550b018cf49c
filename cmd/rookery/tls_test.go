package main

import (
	"crypto/tls"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/specs/outside"
)

// TestTLSKeys: every way that a listener's key and certificates may be named, and what is said of the others.
func TestTLSKeys(t *testing.T) {
	authority, dir := outside.NewAuthority(t), t.TempDir()
	key, chain := authority.Issue(t)
	other, _ := authority.Issue(t)
	file := func(name string, content ...[]byte) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(strings.Join(texts(content), "")), 0o600))
		return name
	}
	store, trusted := file("store.pem", key, chain), file("trusted.pem", authority.PEM)
	oneLine := func(text []byte) string { return strings.ReplaceAll(string(text), "\n", " ") }

	const keys = "ssl.keystore."
	pem := map[string]string{keys + "type": "PEM", keys + "location": store}
	inline := map[string]string{keys + "type": "PEM", keys + "key": string(key), keys + "certificate.chain": string(chain)}
	for _, test := range []struct {
		what string
		keys map[string]string
		why  string // empty: it is served
		next string
	}{
		{"a file", pem, "", ""},
		{"in the properties", inline, "", ""},
		{"there, each in one line", map[string]string{keys + "type": "PEM", keys + "key": oneLine(key), keys + "certificate.chain": oneLine(chain)}, "", ""},
		{"a listener's own", map[string]string{"listener.name.ssl.ssl.keystore.type": "PEM", "listener.name.ssl.ssl.keystore.location": store, keys + "location": "/nowhere"}, "", ""},
		{"another listener's", map[string]string{"listener.name.other.ssl.keystore.type": "PEM", "listener.name.other.ssl.keystore.location": store}, "neither key nor certificate", "ssl.keystore.location=FILE"},
		{"nothing", nil, "listener SSL: it has neither key nor certificate", "ssl.keystore.location=FILE"},
		{"Kafka's default", map[string]string{keys + "location": "server.jks"}, "ssl.keystore.type is JKS, and only PEM is read", "keytool -importkeystore"},
		{"another store", map[string]string{keys + "type": "PKCS12", keys + "location": "server.p12"}, "ssl.keystore.type is PKCS12", "openssl pkcs12"},
		{"no such file", with(pem, keys+"location", dir+"/none"), "no such file", "ssl.keystore.location=FILE"},
		{"both", with(pem, keys+"key", string(key)), "both ssl.keystore.location and ssl.keystore.key", "leave one"},
		{"a key without a chain", with(inline, keys+"certificate.chain", ""), "ssl.keystore.certificate.chain is not", "set ssl.keystore"},
		{"a chain without a key", with(inline, keys+"key", ""), "ssl.keystore.key is not", "set ssl.keystore"},
		{"a key that is not the chain's", with(inline, keys+"key", string(other)), "private key does not match public key", "set ssl.keystore"},
		{"no key in the file", with(pem, keys+"location", trusted), "found a certificate rather than a key", "set ssl.keystore"},
		{"an encrypted key", with(inline, keys+"key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"), "encrypted", "openssl pkey"},
		{"an old version", with(pem, "ssl.enabled.protocols", "TLSv1.1,TLSv1.2"), "TLSv1.1 is not served", "TLSv1.2 and TLSv1.3"},
		{"clients asked for certificates", with(pem, "ssl.client.auth", "required"), "nothing says which are trusted", "ssl.truststore.location"},
		{"trust in another store", with(pem, "ssl.client.auth", "requested", "ssl.truststore.location", "trusted.jks"), "ssl.truststore.type is JKS", "keytool -list -rfc"},
		{"trust in nobody", with(pem, "ssl.client.auth", "requested", "ssl.truststore.type", "PEM", "ssl.truststore.certificates", "x"), "no certificate in PEM", "keytool"},
		{"trust", with(pem, "ssl.client.auth", "required", "ssl.truststore.type", "PEM", "ssl.truststore.location", trusted), "", ""},
		{"a store that nobody asks for", with(pem, "ssl.truststore.location", "trusted.jks"), "", ""},
	} {
		values := with(map[string]string{"listeners": "SSL://:9093"})
		maps.Copy(values, test.keys)
		s, err := settingsOf(values, nil)
		require.NoError(t, err, test.what)
		require.Empty(t, s.Idle, test.what)
		_, err = s.tls("SSL")
		if test.why == "" {
			require.NoError(t, err, test.what)
			continue
		}
		var said strings.Builder
		require.ErrorContains(t, err, test.why, test.what)
		report(&said, err)
		require.Contains(t, said.String(), test.next, test.what)
	}
}

// TestWhatIsNoPlaintextBroker: the command line says so at once, and does not wait until its time is up.
func TestWhatIsNoPlaintextBroker(t *testing.T) {
	key, chain := outside.NewAuthority(t).Issue(t)
	r := begin(t, t.TempDir(), "listeners=SSL://127.0.0.1:0",
		"ssl.keystore.type=PEM", "ssl.keystore.key="+string(key), "ssl.keystore.certificate.chain="+string(chain))
	answering := func(answer string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			conn, err := l.Accept()
			if err == nil {
				_, _ = io.WriteString(conn, answer)
				_, _ = io.Copy(io.Discard, conn)
			}
		}()
		return l.Addr().String()
	}
	for address, why := range map[string]string{
		r.address: "ends connections without an answer",
		answering("HTTP/1.1 400 Bad Request\r\n"): "speaks HTTP: it is no Kafka listener",
		answering("\x15\x03\x03\x00\x02\x02\x50"): "speaks TLS, and this speaks plaintext only", // Kafka's answer
	} {
		_, _, err := runCommand("topic", "list", "-b", address)
		require.ErrorContains(t, err, address+" "+why)
	}
}

// TestTLSVersions: what a client is offered is what was said.
func TestTLSVersions(t *testing.T) {
	for value, want := range map[string][2]uint16{
		"TLSv1.2": {tls.VersionTLS12, tls.VersionTLS12}, "TLSv1.3": {tls.VersionTLS13, tls.VersionTLS13}, "TLSv1.3,TLSv1.2": {tls.VersionTLS12, tls.VersionTLS13},
	} {
		lowest, highest, err := versions(value)
		require.NoError(t, err)
		require.Equal(t, want, [2]uint16{lowest, highest}, value)
	}
}

// with is a copy with more in it: names and values in turn.
func with(values map[string]string, more ...string) map[string]string {
	all := maps.Clone(values)
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

func texts(all [][]byte) []string {
	var out []string
	for _, each := range all {
		out = append(out, string(each))
	}
	return out
}
