/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLIENT_PRIVATE_H
#define CLIENT_PRIVATE_H

/*
 * What the files of the client share. client.c keeps the queue, client-request.c decides what an answer means for its request, and
 * client-curl.c makes single tries: nothing above it knows libcurl. The rest are pure: client-retry.c (how often, how late), client-page.c
 * (what a page says of itself), client-status.c (what a server's own error says), client-proxy.c (which proxy), client-words.c (texts).
 */

#include "api-private.h"

#define LIST_PAGE_MAX (64u << 20)
#define GET_BODY_MAX (8u << 20)
#define RUN_BODIES_MAX (2048ull << 20)

/* ---- single tries: client-curl.c ---- */

enum wire_end {
	WIRE_ANSWER,	   /* a status, and a whole body */
	WIRE_NO_NAME,	   /* the server's name does not resolve; also @proxy */
	WIRE_REFUSED,	   /* nobody listens there */
	WIRE_NO_ROUTE,	   /* and other reasons why there is no connection; os_errno tells */
	WIRE_CONNECT_LATE, /* no answer while connecting */
	WIRE_TLS_LATE,	   /* connected, but the handshake does not end */
	WIRE_UNTRUSTED,	   /* the certificate: verify and error tell */
	WIRE_WRONG_NAME,   /* the certificate is for other names */
	WIRE_TLS,	   /* another failure of the handshake */
	WIRE_PLAIN_HTTP,   /* the server does not speak TLS */
	WIRE_BAD_CERT,	   /* our client certificate or key cannot be used */
	WIRE_BAD_CA,	   /* the certificate-authority holds no certificate */
	WIRE_PROXY,	   /* the proxy refused to connect us: its status is in proxy_status */
	WIRE_BROKEN,	   /* the connection ended before the answer did */
	WIRE_LATE,	   /* the try's limit */
	WIRE_STALLED,	   /* bytes came, and then none for too long */
	WIRE_TOO_LARGE,	   /* above body_max; with may_cut that is WIRE_ANSWER with cut */
	WIRE_TOO_MUCH,	   /* with all bodies before it, more than RUN_BODIES_MAX; not a try's own end */
	WIRE_GARBLED,	   /* no HTTP, or a body that does not unpack */
	WIRE_OTHER,	   /* error has libcurl's words */
	WIRE_NO_MEMORY,
};

struct wire_ask {
	const char *path, *accept;
	const struct api_credential *credential;
	size_t body_max;
	bool may_cut;
	int64_t limit_ms;
	void *request; /* whose try it is: given back to wire_done_fn */
};
struct wire_answer {
	enum wire_end end;
	long status, proxy_status;
	char *body; /* owned by the answer; NUL-terminated; NULL: none */
	size_t size, got; /* of body; of what came, also where body is NULL */
	bool cut;
	bool connected; /* this try had a connection */
	bool proxy;	/* it failed on the way to or in the proxy */
	uint64_t wire_bytes;
	int64_t ms;
	int os_errno;
	long verify;	/* OpenSSL's X509_V_ERR_* */
	int http;	/* 10, 11, 20; 0: none */
	int64_t retry_after_ms; /* -1: not said */
	char location[256], names[256], error[256]; /* cleaned; names: of the certificate */
	char issuer[128], not_before[64], not_after[64]; /* of the server's certificate, where it is known */
};
typedef void (*wire_done_fn)(void *arg, void *request, struct wire_answer *answer);

struct wire_options {
	const struct api_access *access;
	int64_t connect_ms, stall_ms;
	unsigned parallel;
	wire_done_fn done;
	void *arg;
};
struct wire;
int wire_open(const struct wire_options *o, struct wire **ret); /* 0, -ENOMEM, or another negative code */
void wire_close(struct wire *w);				/* without a word to what is open */
int wire_start(struct wire *w, const struct wire_ask *ask);	/* 0 or -ENOMEM */
/* Sends what was started, without waiting or ending anything. */
void wire_push(struct wire *w);
/* Gives up the try of @request, if there is one, without a word. */
void wire_cancel(struct wire *w, const void *request);
/* Waits at most @ms for the network, and hands what ended to done. 0 or -ENOMEM. */
int wire_step(struct wire *w, int ms);
unsigned wire_open_count(const struct wire *w);
/* Ends what is open: done is called with @end for each. */
void wire_end_all(struct wire *w, enum wire_end end);
/* A connection was made and, where it is asked for, trusted. */
bool wire_reached(const struct wire *w);
/* The proxy in use, without its password; "": none. */
const char *wire_proxy(const struct wire *w);

/* ---- packed bodies: client-unpack.c ---- */

struct unpacker;
struct unpacker *unpacker_new(void); /* NULL: no memory */
void unpacker_free(struct unpacker *u);
/* Unpacks what came next: @put gets it in parts. 0; SD_EFORMAT: this is no gzip; -ECANCELED: @put said false; -ENOMEM. */
int unpacker_add(struct unpacker *u, const char *data, size_t n, bool (*put)(void *arg, const char *data, size_t n), void *arg);
/* What was added ends where a packed body may end. */
bool unpacker_whole(const struct unpacker *u);

/* ---- addresses, proxies: client-proxy.c ---- */

struct server_url {
	bool tls;
	char host[256]; /* without brackets */
	unsigned port;	/* 443 or 80 where the URL has none */
	bool port_said;
	const char *rest; /* "/prefix" or "": points into the URL */
};
/* 0 or SD_EPARSE. */
int server_url_parse(const char *url, struct server_url *ret);
/*
 * The proxy that Go's net/http takes for this server (golang.org/x/net/http/httpproxy): its URL in a form for libcurl, or "": none.
 * @https, @http, @no: the variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY, or their lower-case forms; NULL: not set.
 */
void proxy_of_environment(const struct server_url *u, const char *https, const char *http, const char *no, struct strbuf *ret);
/* The same for a URL of the kubeconfig. */
void proxy_for_curl(const char *url, struct strbuf *ret);
/* A URL without user and password. */
void url_without_secret(const char *url, struct strbuf *ret);
/* A header's line each of impersonation, as client-go sends them; @add is called with "Name: value". 0 or its negative return. */
int impersonation_headers(const struct api_access *access, int (*add)(void *arg, const char *line), void *arg);

/* ---- how often, how late: client-retry.c ---- */

struct retry {
	unsigned tries;	  /* made so far, this one included */
	unsigned refused; /* of these, refused connections */
	uint64_t random;  /* state of the jitter; not 0 */
};
/* @behind: what answers stands behind the API server (a log, a proxied GET): its errors are its own. -1: no more; else the pause in milliseconds. */
int64_t retry_pause_ms(struct retry *r, const struct wire_answer *a, bool behind);
/* Seconds, or a date as HTTP writes it, relative to @now (seconds since 1970). -1: neither. */
int64_t retry_after_parse(const char *value, int64_t now);

/* ---- what a page of a list says of itself: client-page.c ---- */

#define CONTINUE_MAX (32u << 10)
struct page_head {
	char kind[128];	 /* "PodList"; "": none, or no plain word */
	bool items;	 /* there is an array of that name, or null */
	char *token;	 /* metadata.continue, decoded, malloc'd; NULL: none */
};
/*
 * Looks over the top-level members of a JSON object without building a tree; it stops where it knows everything, so what is behind may be damaged.
 * 0; SD_EPARSE: this is no JSON object as far as it was read; SD_ELIMIT: a token above CONTINUE_MAX; -ENOMEM.
 */
/* Whether "ServiceList" may be what "services" was asked for. */
bool page_kind_fits(const char *kind, const char *resource);
void page_head_release(struct page_head *h);
int page_head_read(const char *data, size_t size, struct page_head *ret);

/* ---- a server's own error: client-status.c ---- */

struct status_text {
	bool is_status;	 /* a JSON object of kind Status */
	bool names_object; /* details.name is there */
	char reason[64];
	char message[320]; /* cleaned and bounded; of a text body its first line */
};
void status_read(const char *data, size_t size, struct status_text *ret);
/* 404, of an object or of a kind; of an object where what is asked for stands @behind the API server. */
enum api_outcome status_not_found(const struct status_text *s, bool behind);

/* ---- requests: client.c and client-request.c ---- */

struct request {
	struct request *next;
	struct arena strings;
	bool is_list;
	struct api_get get;   /* one of the two, by is_list; their strings are copies */
	struct api_list list;
	const struct api_what *what;
	const char *path; /* as asked */
	bool behind;	  /* a kubelet, a pod or a Service answers it, through the API server */
	struct retry retry;
	int64_t not_before; /* of the next try */
	unsigned generation; /* of the credential of the last try */
	bool refreshed;	     /* a fresh credential was tried */
	/* of a list */
	char *token; /* of the next page; NULL: the first one */
	unsigned pages, restarts;
	bool restart; /* the next page begins anew */
};

struct queue {
	struct request *first, *last;
};

struct api {
	const struct api_access *access;
	struct api_options o;
	struct wire *wire;
	struct api_login *login;
	struct queue queued; /* in their order */
	struct queue urgent; /* next pages and further tries: before what is queued */
	struct arena run_words, whole_words;
	struct api_counts counts;
	char last[64];
	uint64_t bodies; /* bytes of bodies, unpacked */
	int64_t deadline, progress_at; /* deadline: 0 none */
	int error; /* what api_run returns: a callback's */
	/* Everything ends with this outcome; API_OK: nothing does. @whole: with that result. */
	enum api_outcome ending;
	struct api_result whole;
	int64_t whole_at;
};

void queue_push(struct queue *q, struct request *r);
/* Sends @r at once where there is room, so that the server works while its last answer is read; else it is queued before all others. */
void request_ahead(struct api *a, struct request *r);
/* Undoes that. */
void request_back(struct api *a, struct request *r);
/* Not all of the body, but @r may be cut. */
bool answer_is_part(const struct request *r, const struct wire_answer *answer);
/* What became of a try; frees @r or queues it again. The body is taken or left in @answer. */
void request_answered(struct api *a, struct request *r, struct wire_answer *answer);
/* Ends @r without an answer: a->ending says how. Frees it. */
void request_end(struct api *a, struct request *r);
/* From now on everything ends as @answer says (or, where it is NULL, as @r does already). */
void client_fail(struct api *a, const struct api_credential *c, const struct wire_answer *answer, struct api_result r);
/* The credential as it is now. 0, or a negative code, a->ending set. */
int client_credential(struct api *a, bool fresh, struct api_credential *ret);
void request_free(struct request *r);

/* ---- texts: client-words.c ---- */

/* What a failure is called that no text was made for. Where memory is out, text stays NULL. */
struct words {
	struct arena *arena;
	const struct api_access *access;
	const struct api_options *options;
	const char *proxy; /* "": none */
};
/* Fills text and hint of a result whose outcome, status and message stand, for one request. */
void words_request(const struct words *w, const struct request *q, const struct wire_answer *answer, struct api_result *r);
/* A list or body that ended well, but is not whole: text alone. */
void words_cut(const struct words *w, const struct request *q, const char *why, struct api_result *r);
/* The same for what concerns the server as a whole. */
void words_server(const struct words *w, const struct api_credential *c, const struct wire_answer *answer, struct api_result *r);
/* "list endpointslices in namespace 'shop'", as a line of -v and as a part of texts. */
void words_what(const struct request *q, struct strbuf *ret);
/* When a PEM certificate ends, in seconds since 1970: client-cert.c. False: cannot be told. */
bool cert_not_after(const struct api_pem *pem, int64_t *ret);

#endif
