/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single tries over libcurl: one multi handle with its connections, an easy handle for each try that is under way. Here is all that knows
 * libcurl. What becomes of an answer, and whether it is tried again, is decided above (client.c).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "client-private.h"

#ifndef SVCDOCTOR_VERSION
#define SVCDOCTOR_VERSION "unknown"
#endif
#define BUFFER_SIZE (100l << 10) /* larger ones cost more than they save */
#define CONNECT_GRACE_MS 500
#define PEEK_MS 2000
#define FIRST_SIZE (32u << 10)
#define ERROR_BODY_MAX (256u << 10) /* of an answer that is none: only its words are wanted */

/* One try. */
struct transfer {
	struct wire *w;
	CURL *easy;
	struct transfer *next;
	struct curl_slist *headers;
	void *request;
	char *body;
	size_t size, cap, max;
	int64_t began, last, limit_ms; /* last: when a byte came; 0: none yet */
	struct unpacker *unpacker; /* NULL: what comes is the body as it is */
	bool may_cut, cut, too_large, no_memory, garbled;
	int64_t length, retry_after_ms; /* of the body as announced; -1: not said */
	char location[256];
	char error[CURL_ERROR_SIZE];
};

struct wire {
	struct wire_options o;
	CURLM *multi;
	struct transfer *open, *idle;
	unsigned nopen;
	struct server_url url;
	struct strbuf base;	/* "https://host:port/prefix" as libcurl gets it */
	struct strbuf host;	/* "Host: ...", where it is not the URL's */
	struct strbuf proxy, proxy_shown;
	struct curl_slist *connect_to, *common; /* headers of every request */
	const char *ca_file, *ca_dir;
	bool reached, curl_started;
};

/* ---- the server's address, in libcurl's terms ---- */

static void add_host(struct strbuf *b, const char *host)
{
	bool six = strchr(host, ':') != NULL;

	strbuf_addf(b, six ? "[%s]" : "%s", host);
}

static int slist_add(struct curl_slist **list, const char *line)
{
	struct curl_slist *l = curl_slist_append(*list, line);

	if (!l)
		return -ENOMEM;
	*list = l;
	return 0;
}

/*
 * With tls-server-name, the name that TLS asks for and verifies is another than the URL's: libcurl is given a URL of that name, told to
 * connect to the true host, and sends the Host that client-go sends.
 */
static int other_name(struct wire *w, const char *name)
{
	CLEANUP(strbuf_release) struct strbuf to = STRBUF_INIT;

	add_host(&to, name);
	strbuf_addf(&to, ":%u:", w->url.port);
	add_host(&to, w->url.host);
	strbuf_addf(&to, ":%u", w->url.port);
	strbuf_adds(&w->host, "Host: ");
	add_host(&w->host, w->url.host);
	if (w->url.port_said)
		strbuf_addf(&w->host, ":%u", w->url.port);
	return to.failed || w->host.failed ? -ENOMEM : slist_add(&w->connect_to, strbuf_str(&to));
}

static int set_server(struct wire *w)
{
	const struct api_access *a = w->o.access;
	const char *name = w->url.tls && a->tls_server_name && *a->tls_server_name ? a->tls_server_name : NULL;

	strbuf_adds(&w->base, w->url.tls ? "https://" : "http://");
	add_host(&w->base, name ? name : w->url.host);
	if (w->url.port_said || name)
		strbuf_addf(&w->base, ":%u", w->url.port);
	strbuf_adds(&w->base, w->url.rest);
	if (w->base.failed)
		return -ENOMEM;
	return name ? other_name(w, name) : 0;
}

static const char *variable(const char *upper, const char *lower)
{
	const char *v = getenv(upper);

	return v && *v ? v : getenv(lower);
}

static int set_proxy(struct wire *w)
{
	if (w->o.access->proxy_url && *w->o.access->proxy_url)
		proxy_for_curl(w->o.access->proxy_url, &w->proxy);
	else
		proxy_of_environment(&w->url, variable("HTTPS_PROXY", "https_proxy"), variable("HTTP_PROXY", "http_proxy"),
				     variable("NO_PROXY", "no_proxy"), &w->proxy);
	if (str_starts(strbuf_str(&w->proxy), "socks5h://")) {
		strbuf_adds(&w->proxy_shown, "socks5://");
		url_without_secret(strbuf_str(&w->proxy) + strlen("socks5h://"), &w->proxy_shown);
	} else if (w->proxy.len) {
		url_without_secret(strbuf_str(&w->proxy), &w->proxy_shown);
	}
	return w->proxy.failed || w->proxy_shown.failed ? -ENOMEM : 0;
}

/* The system's authorities, as Go takes them: SSL_CERT_FILE and SSL_CERT_DIR, else where libcurl was built to look. */
static void set_authorities(struct wire *w)
{
	const char *file = getenv("SSL_CERT_FILE"), *dir = getenv("SSL_CERT_DIR");

	w->ca_file = file && *file ? file : NULL;
	w->ca_dir = dir && *dir ? dir : NULL;
}

static int add_common(void *arg, const char *line)
{
	struct wire *w = arg;

	return slist_add(&w->common, line);
}

static int set_multi(struct wire *w)
{
	w->multi = curl_multi_init();
	if (!w->multi)
		return -ENOMEM;
	curl_multi_setopt(w->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	curl_multi_setopt(w->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)w->o.parallel);
	curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)w->o.parallel);
	return 0;
}

int wire_open(const struct wire_options *o, struct wire **ret)
{
	struct wire *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->o = *o;
	w->curl_started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
	r = w->curl_started ? server_url_parse(o->access->server, &w->url) : -EIO;
	if (r == 0)
		r = set_server(w);
	if (r == 0)
		r = set_proxy(w);
	if (r == 0)
		r = set_multi(w);
	if (r == 0)
		r = slist_add(&w->common, "User-Agent: svcdoctor/" SVCDOCTOR_VERSION);
	if (r == 0)
		r = impersonation_headers(o->access, add_common, w);
	set_authorities(w);
	if (r < 0) {
		wire_close(w);
		return r;
	}
	*ret = w;
	return 0;
}

/* ---- what comes ---- */

static bool begin_unpacking(struct transfer *t, const char *encoding)
{
	if (strcasecmp(encoding, "gzip") != 0 && strcasecmp(encoding, "x-gzip") != 0) {
		t->garbled = true;
		return false;
	}
	if (!t->unpacker)
		t->unpacker = unpacker_new();
	t->no_memory = !t->unpacker;
	return t->unpacker != NULL;
}

static size_t on_header(char *data, size_t one, size_t n, void *arg)
{
	struct transfer *t = arg;
	const char *v = memchr(data, ':', n);
	CLEANUP(strbuf_release) struct strbuf value = STRBUF_INIT;
	size_t name, end = n;

	(void)one;
	t->last = clock_ms();
	if (!v)
		return n;
	name = (size_t)(v++ - data);
	while (end > 0 && (data[end - 1] == '\r' || data[end - 1] == '\n'))
		end--;
	while (v < data + end && *v == ' ')
		v++;
	strbuf_add(&value, v, v < data + end ? (size_t)(data + end - v) : 0);
	if (name == 8 && strncasecmp(data, "location", name) == 0)
		(void)snprintf(t->location, sizeof(t->location), "%s", strbuf_str(&value));
	else if (name == 11 && strncasecmp(data, "retry-after", name) == 0)
		t->retry_after_ms = retry_after_parse(strbuf_str(&value), (int64_t)time(NULL));
	else if (name == 14 && strncasecmp(data, "content-length", name) == 0)
		t->length = strtoll(strbuf_str(&value), NULL, 10);
	else if (name == 16 && strncasecmp(data, "content-encoding", name) == 0 && strcasecmp(strbuf_str(&value), "identity") != 0)
		return begin_unpacking(t, strbuf_str(&value)) ? n : 0;
	return n;
}

static bool body_room(struct transfer *t, size_t n)
{
	size_t want = t->size + n + 1, cap;
	char *body;

	if (want <= t->cap)
		return true;
	cap = MAX(t->cap * 2, MAX(want, (size_t)FIRST_SIZE));
	if (!t->body && !t->unpacker && t->length > 0 && (uint64_t)t->length <= t->max)
		cap = MAX(want, (size_t)t->length + 1);
	body = realloc(t->body, cap);
	if (!body)
		return false;
	t->body = body;
	t->cap = cap;
	return true;
}

static bool add_to_body(void *arg, const char *data, size_t n)
{
	struct transfer *t = arg;
	size_t max = t->max, take;
	long status = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 300)
		max = MIN(max, (size_t)ERROR_BODY_MAX);
	take = MIN(n, max - MIN(t->size, max));
	if (!body_room(t, take)) {
		t->no_memory = true;
		return false;
	}
	memcpy(t->body + t->size, data, take);
	t->size += take;
	t->body[t->size] = '\0';
	if (take == n)
		return true;
	t->cut = t->may_cut || status >= 300;
	t->too_large = !t->cut;
	return false;
}

static size_t on_body(char *data, size_t one, size_t n, void *arg)
{
	struct transfer *t = arg;
	int r;

	(void)one;
	t->last = clock_ms();
	if (!t->unpacker)
		return add_to_body(t, data, n) ? n : 0;
	r = unpacker_add(t->unpacker, data, n, add_to_body, t);
	t->garbled |= r == SD_EFORMAT;
	t->no_memory |= r == -ENOMEM;
	return r == 0 ? n : 0;
}

/* ---- a try begins ---- */

static struct transfer *transfer_new(struct wire *w)
{
	struct transfer *t = w->idle;

	if (t) {
		w->idle = t->next;
	} else {
		t = calloc(1, sizeof(*t));
		if (!t)
			return NULL;
		t->easy = curl_easy_init();
		if (!t->easy) {
			free(t);
			return NULL;
		}
	}
	t->w = w;
	t->next = NULL;
	return t;
}

static void transfer_clear(struct transfer *t)
{
	CURL *easy = t->easy;

	curl_slist_free_all(t->headers);
	unpacker_free(t->unpacker);
	free(t->body);
	curl_easy_reset(easy);
	*t = (struct transfer){ .easy = easy, .w = t->w };
}

static void transfer_free(struct transfer *t)
{
	transfer_clear(t);
	curl_easy_cleanup(t->easy);
	free(t);
}

static void set_pem(CURL *e, CURLoption option, const struct api_pem *pem)
{
	/* libcurl does not write to it, and it outlives the connection. */
	struct curl_blob blob = { .data = (void *)(uintptr_t)pem->data, .len = pem->size, .flags = CURL_BLOB_COPY };

	curl_easy_setopt(e, option, &blob);
}

static void set_trust(const struct wire *w, CURL *e)
{
	const struct api_access *a = w->o.access;

	curl_easy_setopt(e, CURLOPT_CERTINFO, 1l);
	if (a->insecure) {
		curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0l);
		curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0l);
	}
	if (a->ca.data) {
		set_pem(e, CURLOPT_CAINFO_BLOB, &a->ca);
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
		return;
	}
	if (w->ca_file)
		curl_easy_setopt(e, CURLOPT_CAINFO, access(w->ca_file, R_OK) == 0 ? w->ca_file : NULL);
	if (w->ca_dir)
		curl_easy_setopt(e, CURLOPT_CAPATH, w->ca_dir);
}

static void set_credential(CURL *e, const struct api_credential *c)
{
	if (c->cert.data) {
		set_pem(e, CURLOPT_SSLCERT_BLOB, &c->cert);
		curl_easy_setopt(e, CURLOPT_SSLCERTTYPE, "PEM");
	}
	if (c->key.data) {
		set_pem(e, CURLOPT_SSLKEY_BLOB, &c->key);
		curl_easy_setopt(e, CURLOPT_SSLKEYTYPE, "PEM");
		curl_easy_setopt(e, CURLOPT_KEYPASSWD, ""); /* else OpenSSL asks on the terminal */
	}
	if (!c->token && c->username) {
		curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(e, CURLOPT_USERNAME, c->username);
		curl_easy_setopt(e, CURLOPT_PASSWORD, c->password ? c->password : "");
	}
}

static int set_headers(struct transfer *t, const struct wire_ask *ask)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	int r;

	strbuf_addf(&b, "Accept: %s", ask->accept ? ask->accept : "application/json");
	r = b.failed ? -ENOMEM : slist_add(&t->headers, strbuf_str(&b));
	if (r == 0 && !t->w->o.access->disable_compression)
		r = slist_add(&t->headers, "Accept-Encoding: gzip");
	if (r == 0 && t->w->host.len)
		r = slist_add(&t->headers, strbuf_str(&t->w->host));
	if (r == 0 && ask->credential->token) {
		strbuf_reset(&b);
		strbuf_addf(&b, "Authorization: Bearer %s", ask->credential->token);
		r = b.failed ? -ENOMEM : slist_add(&t->headers, strbuf_str(&b));
		if (b.s)
			explicit_bzero(b.s, b.len);
	}
	for (const struct curl_slist *l = t->w->common; r == 0 && l; l = l->next)
		r = slist_add(&t->headers, l->data);
	return r;
}

/*
 * libcurl is told to leave signals alone. Before 7.88 OpenSSL wrote to sockets itself, without MSG_NOSIGNAL: there libcurl must ignore
 * SIGPIPE around its work, and where it resolves names in a thread that is all it does with signals.
 */
static long no_signal(void)
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);

	return v->version_num >= 0x075800 || !(v->features & CURL_VERSION_ASYNCHDNS);
}

static void set_protocols(CURL *e)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1l);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1l);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, no_signal());
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1l); /* who gives up does not wait for a resolver that nobody answers */
#endif
}

static void set_route(const struct wire *w, CURL *e)
{
	curl_easy_setopt(e, CURLOPT_PROXY, strbuf_str(&w->proxy)); /* "" keeps libcurl from the environment */
	curl_easy_setopt(e, CURLOPT_NOPROXY, "");
	curl_easy_setopt(e, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* the proxy must not see them */
	curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1l);
	if (w->connect_to)
		curl_easy_setopt(e, CURLOPT_CONNECT_TO, w->connect_to);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)w->o.connect_ms);
}

static void set_sinks(struct transfer *t)
{
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_BUFFERSIZE, BUFFER_SIZE);
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
}

static int set_all(struct transfer *t, const struct wire_ask *ask)
{
	CLEANUP(strbuf_release) struct strbuf url = STRBUF_INIT;
	int r = set_headers(t, ask);

	strbuf_add(&url, strbuf_str(&t->w->base), t->w->base.len);
	strbuf_adds(&url, ask->path);
	if (r < 0 || url.failed)
		return -ENOMEM;
	set_protocols(t->easy);
	set_route(t->w, t->easy);
	set_trust(t->w, t->easy);
	set_credential(t->easy, ask->credential);
	set_sinks(t);
	return curl_easy_setopt(t->easy, CURLOPT_URL, strbuf_str(&url)) == CURLE_OK ? 0 : -ENOMEM;
}

int wire_start(struct wire *w, const struct wire_ask *ask)
{
	struct transfer *t = transfer_new(w);

	if (!t)
		return -ENOMEM;
	t->request = ask->request;
	t->max = ask->body_max;
	t->may_cut = ask->may_cut;
	t->limit_ms = ask->limit_ms;
	t->began = clock_ms();
	t->length = t->retry_after_ms = -1;
	if (set_all(t, ask) < 0 || curl_multi_add_handle(w->multi, t->easy) != CURLM_OK) {
		transfer_free(t);
		return -ENOMEM;
	}
	t->next = w->open;
	w->open = t;
	w->nopen++;
	return 0;
}

/* ---- a try ends ---- */

static bool has_connection(CURL *e)
{
	curl_off_t t = 0;

	(void)curl_easy_getinfo(e, CURLINFO_PRETRANSFER_TIME_T, &t);
	return t > 0;
}

static bool says(const struct transfer *t, const char *words)
{
	return strcasestr(t->error, words) != NULL;
}

static enum wire_end no_connection(const struct wire_answer *a)
{
	switch (a->os_errno) {
	case ECONNREFUSED:
		return WIRE_REFUSED;
	case ETIMEDOUT:
		return WIRE_CONNECT_LATE;
	default:
		return WIRE_NO_ROUTE;
	}
}

static enum wire_end late_connection(const struct transfer *t)
{
	curl_off_t connected = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &connected);
	if (says(t, "resolving timed out"))
		return WIRE_NO_NAME;
	return connected > 0 || says(t, "SSL connection timeout") ? WIRE_TLS_LATE : WIRE_CONNECT_LATE;
}

static enum wire_end no_handshake(const struct transfer *t)
{
	if (says(t, "certificate problem"))
		return WIRE_UNTRUSTED;
	if (says(t, "wrong version number") || says(t, "http request") || says(t, "packet length too long"))
		return WIRE_PLAIN_HTTP;
	if (says(t, "SYSCALL") || says(t, "unexpected eof") || says(t, "reset by peer") || says(t, "Broken pipe"))
		return WIRE_BROKEN;
	return WIRE_TLS;
}

static enum wire_end broken(const struct transfer *t, const struct wire_answer *a)
{
	if (a->proxy_status != 0 && a->proxy_status / 100 != 2)
		return WIRE_PROXY;
	return says(t, "alert") ? WIRE_TLS : WIRE_BROKEN;
}

static enum wire_end end_of(const struct transfer *t, CURLcode code, const struct wire_answer *a)
{
	if (t->no_memory)
		return WIRE_NO_MEMORY;
	if (t->cut)
		return WIRE_ANSWER;
	if (t->too_large)
		return WIRE_TOO_LARGE;
	if (t->garbled)
		return WIRE_GARBLED;
	switch (code) {
	case CURLE_OK:
		if (t->unpacker && !unpacker_whole(t->unpacker))
			return WIRE_BROKEN;
		return a->status ? WIRE_ANSWER : WIRE_GARBLED;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return WIRE_NO_NAME;
	case CURLE_COULDNT_CONNECT:
		return no_connection(a);
	case CURLE_OPERATION_TIMEDOUT:
		return late_connection(t);
	case CURLE_PEER_FAILED_VERIFICATION:
		return says(t, "certificate problem") ? WIRE_UNTRUSTED : WIRE_WRONG_NAME;
	case CURLE_SSL_CONNECT_ERROR:
		return no_handshake(t);
	case CURLE_SSL_CERTPROBLEM:
		return WIRE_BAD_CERT;
	case CURLE_SSL_CACERT_BADFILE:
		return WIRE_BAD_CA;
	case CURLE_PROXY:
		return WIRE_PROXY;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return broken(t, a);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
		return WIRE_GARBLED;
	case CURLE_OUT_OF_MEMORY:
		return WIRE_NO_MEMORY;
	default:
		return WIRE_OTHER;
	}
}

static void copy_clean(char *out, size_t size, const char *s)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	strbuf_add_clean(&b, s);
	(void)snprintf(out, size, "%s", strbuf_str(&b));
}

/* What the server's own certificate says, the first of its chain. */
static void read_certificate(CURL *e, struct wire_answer *a)
{
	static const char names[] = "X509v3 Subject Alternative Name:", from[] = "Start date:", until[] = "Expire date:", issuer[] = "Issuer:";
	struct curl_certinfo *info = NULL;

	if (curl_easy_getinfo(e, CURLINFO_CERTINFO, &info) != CURLE_OK || !info || info->num_of_certs < 1)
		return;
	for (const struct curl_slist *l = info->certinfo[0]; l; l = l->next) {
		if (str_starts(l->data, names))
			copy_clean(a->names, sizeof(a->names), l->data + strlen(names));
		else if (str_starts(l->data, until))
			copy_clean(a->not_after, sizeof(a->not_after), l->data + strlen(until));
		else if (str_starts(l->data, from))
			copy_clean(a->not_before, sizeof(a->not_before), l->data + strlen(from));
		else if (str_starts(l->data, issuer))
			copy_clean(a->issuer, sizeof(a->issuer), l->data + strlen(issuer));
	}
}

/*
 * A certificate that is not trusted ends the handshake before libcurl tells what stands in it. For the message alone, its text is fetched by
 * another connection, which trusts anything, shows no credential and sends nothing.
 */
static void peek(struct wire *w, struct wire_answer *a)
{
	CURL *e = curl_easy_init();

	if (!e)
		return;
	set_protocols(e);
	set_route(w, e);
	curl_easy_setopt(e, CURLOPT_CERTINFO, 1l);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0l);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0l);
	curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1l);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)PEEK_MS);
	if (curl_easy_setopt(e, CURLOPT_URL, strbuf_str(&w->base)) == CURLE_OK && curl_easy_perform(e) == CURLE_OK)
		read_certificate(e, a);
	curl_easy_cleanup(e);
}

static int http_of(CURL *e)
{
	long v = 0;

	(void)curl_easy_getinfo(e, CURLINFO_HTTP_VERSION, &v);
	return v == CURL_HTTP_VERSION_2_0 ? 20 : v == CURL_HTTP_VERSION_1_1 ? 11 : v == CURL_HTTP_VERSION_1_0 ? 10 : 0;
}

static void read_facts(const struct transfer *t, struct wire_answer *a)
{
	curl_off_t bytes = 0;
	long os_errno = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &a->status);
	(void)curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &a->proxy_status);
	(void)curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &a->verify);
	(void)curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
	(void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &bytes);
	a->os_errno = (int)os_errno;
	a->wire_bytes = bytes > 0 ? (uint64_t)bytes : 0;
	a->connected = has_connection(t->easy);
	a->http = http_of(t->easy);
	a->ms = clock_ms() - t->began;
	a->got = t->size;
	a->cut = t->cut;
	a->retry_after_ms = t->retry_after_ms;
	copy_clean(a->location, sizeof(a->location), t->location);
	copy_clean(a->error, sizeof(a->error), t->error);
}

static void take_out(struct wire *w, struct transfer *t)
{
	struct transfer **p = &w->open;

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	w->nopen--;
	(void)curl_multi_remove_handle(w->multi, t->easy);
}

/* The body, without the room it did not need. */
static void hand_over(struct transfer *t, struct wire_answer *a)
{
	char *fitting = t->body && t->cap - t->size > FIRST_SIZE ? realloc(t->body, t->size + 1) : NULL;

	a->body = fitting ? fitting : t->body;
	a->size = t->size;
	t->body = NULL;
}

static void finish(struct wire *w, struct transfer *t, struct wire_answer *a)
{
	void *request = t->request;

	a->proxy = w->proxy.len && !a->connected && a->end != WIRE_UNTRUSTED && a->end != WIRE_WRONG_NAME && a->end != WIRE_TLS;
	if (a->end == WIRE_WRONG_NAME)
		read_certificate(t->easy, a);
	else if (a->end == WIRE_UNTRUSTED)
		peek(w, a);
	if (a->end == WIRE_ANSWER || (t->may_cut && a->status == 200))
		hand_over(t, a);
	take_out(w, t);
	transfer_clear(t);
	t->next = w->idle;
	w->idle = t;
	w->o.done(w->o.arg, request, a);
	free(a->body);
}

static void finish_as(struct wire *w, struct transfer *t, enum wire_end end)
{
	struct wire_answer a = { 0 };

	read_facts(t, &a);
	a.end = end;
	finish(w, t, &a);
}

static void finish_done(struct wire *w, CURL *e, CURLcode code)
{
	struct wire_answer a = { 0 };
	char *p = NULL;
	struct transfer *t;

	(void)curl_easy_getinfo(e, CURLINFO_PRIVATE, &p);
	t = (struct transfer *)(void *)p;
	read_facts(t, &a);
	if (!a.error[0] && code != CURLE_OK)
		copy_clean(a.error, sizeof(a.error), curl_easy_strerror(code));
	a.end = end_of(t, code, &a);
	finish(w, t, &a);
}

/* The next try that is over its limits; after libcurl has read what there is. */
static struct transfer *next_late(const struct wire *w, enum wire_end *ret_end)
{
	int64_t now = clock_ms();

	for (struct transfer *t = w->open; t; t = t->next) {
		/* While it connects, libcurl's own limit is the first to end it, and knows what it waited for. */
		int64_t limit = t->limit_ms + (has_connection(t->easy) ? 0 : CONNECT_GRACE_MS);

		*ret_end = t->last && now - t->last >= w->o.stall_ms ? WIRE_STALLED : WIRE_LATE;
		if (*ret_end == WIRE_STALLED || now - t->began >= limit)
			return t;
	}
	return NULL;
}

static void end_done(struct wire *w)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(w->multi, &left)))
		if (m->msg == CURLMSG_DONE)
			finish_done(w, m->easy_handle, m->data.result);
}

static void end_late(struct wire *w)
{
	struct transfer *t;
	enum wire_end end;

	while ((t = next_late(w, &end)))
		finish_as(w, t, end);
}

int wire_step(struct wire *w, int ms)
{
	int running;

	if (ms > 0 && curl_multi_poll(w->multi, NULL, 0, ms, NULL) == CURLM_OUT_OF_MEMORY)
		return -ENOMEM;
	if (curl_multi_perform(w->multi, &running) == CURLM_OUT_OF_MEMORY)
		return -ENOMEM;
	for (const struct transfer *t = w->open; t && !w->reached; t = t->next)
		w->reached = has_connection(t->easy);
	end_done(w);
	/* What was done above may have taken long: let libcurl look again before anything is called late. */
	if (curl_multi_perform(w->multi, &running) == CURLM_OUT_OF_MEMORY)
		return -ENOMEM;
	end_done(w);
	end_late(w);
	return 0;
}

void wire_push(struct wire *w)
{
	int running;

	(void)curl_multi_perform(w->multi, &running);
}

void wire_cancel(struct wire *w, const void *request)
{
	struct transfer *t = w->open;

	while (t && t->request != request)
		t = t->next;
	if (!t)
		return;
	take_out(w, t);
	transfer_clear(t);
	t->next = w->idle;
	w->idle = t;
}

void wire_end_all(struct wire *w, enum wire_end end)
{
	while (w->open)
		finish_as(w, w->open, end);
}

unsigned wire_open_count(const struct wire *w)
{
	return w->nopen;
}

bool wire_reached(const struct wire *w)
{
	return w->reached;
}

const char *wire_proxy(const struct wire *w)
{
	return strbuf_str(&w->proxy_shown);
}

static void free_list(struct wire *w, struct transfer *t, bool open)
{
	while (t) {
		struct transfer *next = t->next;

		if (open)
			(void)curl_multi_remove_handle(w->multi, t->easy);
		transfer_free(t);
		t = next;
	}
}

void wire_close(struct wire *w)
{
	if (!w)
		return;
	free_list(w, w->open, true);
	free_list(w, w->idle, false);
	curl_slist_free_all(w->connect_to);
	curl_slist_free_all(w->common);
	if (w->multi)
		(void)curl_multi_cleanup(w->multi);
	strbuf_release(&w->base);
	strbuf_release(&w->host);
	strbuf_release(&w->proxy);
	strbuf_release(&w->proxy_shown);
	if (w->curl_started)
		curl_global_cleanup();
	free(w);
}
