package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"regexp"
	"strings"

	"rookery/core"
)

// security is what a listener speaks: by listener.security.protocol.map, or by its name.
func (s *settings) security(e endpoint) (core.Security, error) {
	protocol := strings.ToUpper(e.Name)
	mapped := false
	for _, pair := range s.protocols {
		if name, to, _ := strings.Cut(pair, ":"); strings.EqualFold(strings.TrimSpace(name), e.Name) {
			protocol, mapped = strings.ToUpper(strings.TrimSpace(to)), true
		}
	}
	switch {
	case protocol == "PLAINTEXT":
		return core.Plaintext, nil
	case protocol == "SSL":
		return core.TLS, nil
	case mapped || strings.HasPrefix(protocol, "SASL"):
		return 0, advise("who a client is can be asked for by certificate: SSL, and ssl.client.auth=required", "listener %s asks for %s, and only PLAINTEXT and SSL are served", e.Name, protocol)
	}
	return 0, advise("for example: listener.security.protocol.map="+e.Name+":PLAINTEXT", "nothing says what listener %s speaks", e.Name)
}

// tlsKeys are those that are read here; each may be set for one listener, behind listener.name.<name in lower case>.
var tlsKeys = []string{
	"ssl.client.auth", "ssl.enabled.protocols",
	"ssl.keystore.type", "ssl.keystore.location", "ssl.keystore.key", "ssl.keystore.certificate.chain",
	"ssl.truststore.type", "ssl.truststore.location", "ssl.truststore.certificates",
}

const listenerPrefix = "listener.name."

// ofListener is a key's value for a listener: its own, or everybody's.
func (s *settings) ofListener(name, key string) string {
	return strings.TrimSpace(cmp.Or(s.values[listenerPrefix+strings.ToLower(name)+"."+key], s.values[key]))
}

// tls is what a listener shows its clients, and what it asks of them.
func (s *settings) tls(listener string) (*tls.Config, error) {
	own, err := s.certificate(listener)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", listener, err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{own}}
	if config.MinVersion, config.MaxVersion, err = versions(cmp.Or(s.ofListener(listener, "ssl.enabled.protocols"), "TLSv1.2,TLSv1.3")); err != nil {
		return nil, fmt.Errorf("listener %s: %w", listener, err)
	}
	switch s.ofListener(listener, "ssl.client.auth") {
	case "required":
		config.ClientAuth = tls.RequireAndVerifyClientCert
	case "requested":
		config.ClientAuth = tls.VerifyClientCertIfGiven
	default: // whom it trusts is of no matter then
		return config, nil
	}
	if config.ClientCAs, err = s.trusted(listener); err != nil {
		return nil, fmt.Errorf("listener %s: %w", listener, err)
	}
	return config, nil
}

const (
	setPEM     = "set ssl.keystore.type=PEM, and ssl.keystore.location=FILE with the private key and its certificates (or ssl.keystore.key and ssl.keystore.certificate.chain)"
	convertKey = "keytool -importkeystore -srckeystore FILE -destkeystore store.p12 -deststoretype PKCS12, then openssl pkcs12 -in store.p12 -nodes -out store.pem, then ssl.keystore.type=PEM and ssl.keystore.location=store.pem"
	convertCAs = "keytool -list -rfc -keystore FILE > trusted.pem, then ssl.truststore.type=PEM and ssl.truststore.location=trusted.pem"
)

// certificate is what a listener proves itself with.
func (s *settings) certificate(listener string) (tls.Certificate, error) {
	of := func(key string) string { return s.ofListener(listener, key) }
	location, key, chain := of("ssl.keystore.location"), of("ssl.keystore.key"), of("ssl.keystore.certificate.chain")
	kind := cmp.Or(of("ssl.keystore.type"), "JKS")
	var none tls.Certificate
	switch {
	case location == "" && key == "" && chain == "":
		return none, advise(setPEM, "it has neither key nor certificate")
	case kind != "PEM":
		return none, advise(convertKey, "ssl.keystore.type is %s, and only PEM is read", kind)
	case location != "" && key != "":
		return none, advise("leave one of them out", "both ssl.keystore.location and ssl.keystore.key are set")
	case location == "" && key == "":
		return none, advise(setPEM, "ssl.keystore.certificate.chain is set, and ssl.keystore.key is not")
	case location == "" && chain == "":
		return none, advise(setPEM, "ssl.keystore.key is set, and ssl.keystore.certificate.chain is not")
	}
	from := "ssl.keystore.key"
	if location != "" {
		from = "ssl.keystore.location=" + location
		content, err := os.ReadFile(location)
		if err != nil {
			return none, advise("ssl.keystore.location=FILE names one file with the private key and its certificates", "ssl.keystore.location: %w", err)
		}
		key, chain = string(content), string(content)
	}
	if strings.Contains(key, "ENCRYPTED") {
		return none, advise("openssl pkey -in FILE -out FILE, and leave ssl.key.password out", "%s: the private key is encrypted, and only one that is not is read", from)
	}
	pair, err := tls.X509KeyPair(inLines(chain), inLines(key))
	if err != nil {
		return none, advise(setPEM, "%s: %w", from, err)
	}
	return pair, nil
}

// trusted are the authorities whose word on a client counts.
func (s *settings) trusted(listener string) (*x509.CertPool, error) {
	location, text := s.ofListener(listener, "ssl.truststore.location"), s.ofListener(listener, "ssl.truststore.certificates")
	if location == "" && text == "" {
		return nil, advise("set ssl.truststore.type=PEM and ssl.truststore.location=FILE", "ssl.client.auth asks for certificates, and nothing says which are trusted")
	}
	if kind := cmp.Or(s.ofListener(listener, "ssl.truststore.type"), "JKS"); kind != "PEM" {
		return nil, advise(convertCAs, "ssl.truststore.type is %s, and only PEM is read", kind)
	}
	if location != "" {
		content, err := os.ReadFile(location)
		if err != nil {
			return nil, fmt.Errorf("ssl.truststore.location: %w", err)
		}
		text = string(content)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(inLines(text)) {
		return nil, advise(convertCAs, "the trust store holds no certificate in PEM")
	}
	return pool, nil
}

var armour = regexp.MustCompile(`-----(BEGIN|END) [A-Z0-9 ]+-----`)

// inLines lets PEM stand in one line, as values of a properties file do.
func inLines(text string) []byte { return armour.ReplaceAll([]byte(text), []byte("\n$0\n")) }

// versions reads ssl.enabled.protocols.
func versions(value string) (lowest, highest uint16, err error) {
	known := map[string]uint16{"TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}
	for _, name := range list(value) {
		version, served := known[name]
		if !served {
			return 0, 0, advise("there are TLSv1.2 and TLSv1.3", "ssl.enabled.protocols: %s is not served", name)
		}
		lowest, highest = min(cmp.Or(lowest, version), version), max(highest, version)
	}
	if highest == 0 {
		return 0, 0, advise("there are TLSv1.2 and TLSv1.3", "ssl.enabled.protocols names none")
	}
	return lowest, highest, nil
}
