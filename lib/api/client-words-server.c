/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words about a server that cannot be reached, is not trusted, or does not know who this is: said once for all requests. */
#include <errno.h>
#include <time.h>

#include "client-private.h"

/* OpenSSL's reasons, X509_V_ERR_*: numbers of its stable interface. */
enum {
	NOT_YET_VALID = 9,
	HAS_EXPIRED = 10,
	SELF_SIGNED = 18,
	SELF_SIGNED_IN_CHAIN = 19,
	NO_ISSUER_HERE = 20,
	NO_SIGNATURE = 21,
	NO_ISSUER = 2,
};

struct place {
	const struct words *w;
	const struct wire_answer *a;
	const struct api_credential *c; /* NULL: it does not matter */
	struct strbuf text, hint;
};

static void place_release(struct place *p)
{
	strbuf_release(&p->text);
	strbuf_release(&p->hint);
}

static void add_server(struct place *p)
{
	strbuf_adds(&p->text, "the API server '");
	strbuf_add_clean(&p->text, p->w->access->server);
	strbuf_addc(&p->text, '\'');
}

static void add_source(const struct place *p, struct strbuf *b)
{
	strbuf_add_clean(b, p->w->access->source ? p->w->access->source : "the flags");
}

static void add_until(struct strbuf *b, int64_t t)
{
	time_t when = (time_t)t;
	struct tm tm;
	char date[32];

	if (gmtime_r(&when, &tm) && strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", &tm))
		strbuf_adds(b, date);
}

/* ---- no connection ---- */

/* "cannot reach the API server '...'", or the proxy on the way to it. */
static void cannot_reach(struct place *p)
{
	if (p->a->proxy) {
		strbuf_addf(&p->text, "cannot reach the proxy '%s' on the way to ", p->w->proxy);
		add_server(p);
		strbuf_addf(&p->hint, "check proxy-url in the kubeconfig, or HTTPS_PROXY and NO_PROXY");
		return;
	}
	strbuf_adds(&p->text, "cannot reach ");
	add_server(p);
}

/* Unless the proxy is at fault, whose words stand already. */
static void hint_address(struct place *p, const char *before, const char *after)
{
	if (p->hint.len)
		return;
	strbuf_adds(&p->hint, before);
	add_source(p, &p->hint);
	strbuf_adds(&p->hint, after);
}

static void no_name(struct place *p)
{
	cannot_reach(p);
	strbuf_adds(&p->text, ": the name does not resolve");
	hint_address(p, "check the server's name in ", ", and this machine's DNS and VPN");
}

static void refused(struct place *p)
{
	cannot_reach(p);
	strbuf_adds(&p->text, ": connection refused");
	hint_address(p, "nothing listens there: check address and port in ", ", and whether the API server runs");
}

static void no_route(struct place *p)
{
	cannot_reach(p);
	if (p->a->os_errno) {
		const char *why = sd_strerror(-p->a->os_errno);

		strbuf_addf(&p->text, ": %c%s", why[0] >= 'A' && why[0] <= 'Z' ? why[0] | 32 : why[0], why + 1);
	} else {
		strbuf_adds(&p->text, ": no connection");
	}
	hint_address(p, "check this machine's network and VPN, and the address in ", "");
}

static void connect_late(struct place *p)
{
	cannot_reach(p);
	strbuf_adds(&p->text, ": no answer to the connection");
	if (p->a->ms)
		strbuf_addf(&p->text, " within %lld s", (long long)((p->a->ms + 500) / 1000));
	hint_address(p, "a VPN that is down or a firewall swallows packets; else check the address in ", "");
}

static void tls_late(struct place *p)
{
	strbuf_adds(&p->text, "connected to ");
	add_server(p);
	strbuf_adds(&p->text, ", but the TLS handshake does not end");
	hint_address(p, "something on the way swallows packets (a VPN with a wrong MTU?), or the port in ", " is another program's");
}

static void bad_proxy(struct place *p)
{
	strbuf_adds(&p->text, "cannot reach ");
	add_server(p);
	strbuf_addf(&p->text, " through the proxy '%s': ", p->w->proxy);
	if (p->a->proxy_status)
		strbuf_addf(&p->text, "it answers %ld", p->a->proxy_status);
	else
		strbuf_adds(&p->text, p->a->error);
	strbuf_adds(&p->hint, p->a->proxy_status == 407 ? "the proxy wants a user and password, in proxy-url or HTTPS_PROXY"
							: "check proxy-url in the kubeconfig, or HTTPS_PROXY and NO_PROXY");
}

static void broken(struct place *p)
{
	strbuf_adds(&p->text, "the connection to ");
	add_server(p);
	strbuf_adds(&p->text, " broke before an answer came");
	strbuf_adds(&p->hint, str_starts(p->w->access->server, "http:") ? "does this server want https:// in its URL?"
									: "a load balancer without a healthy API server behind it, or a proxy, closes connections so");
}

static void garbled(struct place *p)
{
	strbuf_adds(&p->text, "what answers as ");
	add_server(p);
	strbuf_adds(&p->text, " does not speak HTTP");
	hint_address(p, "check address and port in ", "");
}

static void other(struct place *p)
{
	cannot_reach(p);
	strbuf_addf(&p->text, ": %s", p->a->error);
	hint_address(p, "check the address in ", "");
}

/* ---- no trust ---- */

static void not_now(struct place *p, bool over)
{
	const char *date = over ? p->a->not_after : p->a->not_before;

	strbuf_adds(&p->text, "the certificate of ");
	add_server(p);
	if (over)
		strbuf_addf(&p->text, date[0] ? " expired on %s" : " has expired", date);
	else
		strbuf_addf(&p->text, date[0] ? " is not yet valid: it begins on %s" : " is not yet valid", date);
	strbuf_adds(&p->hint, over ? "renew it on the control plane ('kubeadm certs check-expiration' shows the dates), "
				     "unless this machine's clock is wrong"
				   : "is this machine's clock right?");
}

static void unknown_authority(struct place *p)
{
	add_server(p);
	strbuf_adds(&p->text, " is not trusted: its certificate was signed by an authority ");
	if (p->a->issuer[0])
		strbuf_addf(&p->text, "(%s) ", p->a->issuer);
	strbuf_adds(&p->text, "that ");
	if (p->w->access->ca.data) {
		strbuf_adds(&p->text, "the certificate-authority of ");
		add_source(p, &p->text);
		strbuf_adds(&p->text, " does not have");
		strbuf_adds(&p->hint, "if the cluster was made anew, get its kubeconfig again; else this may be another server, or a proxy that opens TLS");
	} else {
		strbuf_adds(&p->text, "this system does not know");
		hint_address(p, "put the cluster's certificate-authority into ", "");
	}
}

/* libcurl's words without its own part. */
static const char *tls_error(const struct wire_answer *a)
{
	static const char problem[] = "SSL certificate problem: ";
	const char *p = strstr(a->error, problem), *colon = strrchr(a->error, ':');

	if (p)
		return p + strlen(problem);
	return colon && colon[1] ? colon + 1 + strspn(colon + 1, " ") : a->error;
}

static void untrusted(struct place *p)
{
	switch (p->a->verify) {
	case HAS_EXPIRED:
		not_now(p, true);
		return;
	case NOT_YET_VALID:
		not_now(p, false);
		return;
	case SELF_SIGNED:
	case SELF_SIGNED_IN_CHAIN:
	case NO_ISSUER_HERE:
	case NO_SIGNATURE:
	case NO_ISSUER:
		unknown_authority(p);
		return;
	default:
		add_server(p);
		strbuf_addf(&p->text, " is not trusted: %s", tls_error(p->a));
		strbuf_adds(&p->hint, "its certificate must be made anew on the control plane");
	}
}

static void wrong_name(struct place *p)
{
	const struct api_access *access = p->w->access;
	struct server_url u = { .host = "" };
	const char *name = access->tls_server_name;

	(void)server_url_parse(access->server, &u);
	strbuf_adds(&p->text, "the certificate of ");
	add_server(p);
	strbuf_adds(&p->text, " is not for '");
	strbuf_add_clean(&p->text, name && *name ? name : u.host);
	strbuf_addc(&p->text, '\'');
	if (p->a->names[0])
		strbuf_addf(&p->text, ", but for %s", p->a->names);
	if (name && *name)
		strbuf_adds(&p->hint, "tls-server-name must be one of the certificate's names");
	else
		strbuf_adds(&p->hint, "use one of the certificate's names in the server's URL, or give it as tls-server-name");
}

static void no_tls(struct place *p)
{
	strbuf_adds(&p->text, "TLS with ");
	add_server(p);
	strbuf_addf(&p->text, " failed: %s", tls_error(p->a));
	if (strcasestr(p->a->error, "certificate"))
		strbuf_adds(&p->hint, "the server does not accept the client certificate: has it expired, or is it another cluster's?");
	else
		hint_address(p, "is this the port of an API server? it stands in ", "");
}

static void plain_http(struct place *p)
{
	add_server(p);
	strbuf_adds(&p->text, " does not speak TLS on this port");
	hint_address(p, "check address and port in ", "; only 'kubectl proxy' is reached with http://");
}

static void bad_ca(struct place *p)
{
	strbuf_adds(&p->text, "the certificate-authority of ");
	add_source(p, &p->text);
	strbuf_adds(&p->text, " holds no certificate that can be read");
	strbuf_adds(&p->hint, "it must be PEM text that begins with -----BEGIN CERTIFICATE-----");
}

/* ---- no credential ---- */

/* "the token of user 'x' in kubeconfig '...'". */
static void add_owner(struct place *p)
{
	const struct api_access *a = p->w->access;

	if (a->user) {
		strbuf_adds(&p->text, " of user '");
		strbuf_add_clean(&p->text, a->user);
		strbuf_adds(&p->text, "' in ");
		add_source(p, &p->text);
	} else if (a->in_cluster) {
		strbuf_adds(&p->text, " of ");
		add_source(p, &p->text);
	}
}

static bool pem_has(const struct api_pem *pem, const char *words)
{
	return pem->data && memmem(pem->data, pem->size, words, strlen(words));
}

static const char *what_is_bad(const struct api_credential *c)
{
	if (!c || !pem_has(&c->cert, "-----BEGIN CERTIFICATE-----"))
		return "the certificate is no PEM text";
	if (!pem_has(&c->key, "PRIVATE KEY-----"))
		return c->key.data ? "the key is no PEM text" : "there is no key";
	if (pem_has(&c->key, "ENCRYPTED"))
		return "the key has a passphrase";
	return "they are damaged, or the key is not the certificate's";
}

static void bad_cert(struct place *p)
{
	strbuf_adds(&p->text, "the client certificate and key");
	add_owner(p);
	strbuf_addf(&p->text, " cannot be used: %s", what_is_bad(p->c));
	strbuf_adds(&p->hint, "both must be PEM text, and the key must be the certificate's, without a passphrase");
}

static void certificate_refused(struct place *p, const struct api_pem *cert)
{
	int64_t until, now = (int64_t)time(NULL);

	strbuf_adds(&p->text, "the client certificate");
	add_owner(p);
	if (cert_not_after(cert, &until) && until < now) {
		strbuf_adds(&p->text, ", which expired on ");
		add_until(&p->text, until);
		strbuf_adds(&p->hint, "get a new one: 'kubeadm certs renew admin.conf' on a control plane, or whoever gave it out");
	} else {
		strbuf_adds(&p->hint, "is it another cluster's, or of an authority that was renewed? get the kubeconfig again");
	}
}

static void what_was_shown(struct place *p, const struct api_credential *c)
{
	const struct api_access *a = p->w->access;

	if (a->exec) {
		strbuf_adds(&p->text, "what the credential plugin '");
		strbuf_add_clean(&p->text, a->exec->command);
		strbuf_adds(&p->text, "' gave");
		strbuf_adds(&p->hint, "log in again with the plugin's own command, and look whether it is for this cluster");
	} else if (c && c->token) {
		strbuf_adds(&p->text, "the token");
		add_owner(p);
		strbuf_adds(&p->hint, "it is wrong or has expired: log in again, or get a new one");
	} else if (c && c->username) {
		strbuf_adds(&p->text, "the user name and password");
		add_owner(p);
		strbuf_adds(&p->hint, "API servers since 1.19 know no passwords, unless something in front of them does");
	} else if (c && c->cert.data) {
		certificate_refused(p, &c->cert);
	}
}

static void unauthorized(struct place *p, const struct api_credential *c, const struct api_result *r)
{
	bool none = !p->w->access->exec && !(c && (c->token || c->username || c->cert.data));

	add_server(p);
	if (none) {
		strbuf_adds(&p->text, " wants to know who asks: no credential is given in ");
		add_source(p, &p->text);
		strbuf_adds(&p->hint, "choose a context with a user (--context), or give a token (--token)");
	} else {
		strbuf_adds(&p->text, " does not accept ");
		what_was_shown(p, c);
	}
	strbuf_adds(&p->text, ": 401 unauthorized");
	if (r->message && strcasecmp(r->message, "unauthorized") != 0)
		strbuf_addf(&p->text, ": %s", r->message);
}

/* ---- */

static void by_end(struct place *p)
{
	static void (*const words[])(struct place *) = {
		[WIRE_NO_NAME] = no_name, [WIRE_REFUSED] = refused, [WIRE_NO_ROUTE] = no_route, [WIRE_CONNECT_LATE] = connect_late,
		[WIRE_TLS_LATE] = tls_late, [WIRE_UNTRUSTED] = untrusted, [WIRE_WRONG_NAME] = wrong_name, [WIRE_TLS] = no_tls,
		[WIRE_PLAIN_HTTP] = plain_http, [WIRE_BAD_CERT] = bad_cert, [WIRE_BAD_CA] = bad_ca, [WIRE_PROXY] = bad_proxy,
		[WIRE_BROKEN] = broken, [WIRE_GARBLED] = garbled, [WIRE_OTHER] = other, [WIRE_NO_MEMORY] = NULL,
	};

	if (words[p->a->end])
		words[p->a->end](p);
	else
		other(p);
}

void words_server(const struct words *w, const struct api_credential *c, const struct wire_answer *answer, struct api_result *r)
{
	static const struct wire_answer none = { .end = WIRE_OTHER };
	CLEANUP(place_release) struct place p = { w, answer ? answer : &none, c, STRBUF_INIT, STRBUF_INIT };

	if (r->outcome == API_UNAUTHORIZED)
		unauthorized(&p, c, r);
	else
		by_end(&p);
	r->text = p.text.len ? arena_strndup(w->arena, p.text.s, p.text.len) : NULL;
	r->hint = p.hint.len ? arena_strndup(w->arena, p.hint.s, p.hint.len) : NULL;
}
