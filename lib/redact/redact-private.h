/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REDACT_PRIVATE_H
#define REDACT_PRIVATE_H

/*
 * What the files of lib/redact share. prf.c: the keyed function that everything random comes from; address.c; words.c: which words stay;
 * names.c: names and their words; text.c: free text; fields.c: which JSON fields go through, and as what; objects.c: the API's objects;
 * chains.c: names that are hashes; rules.c, nft.c, node.c, node-more.c: files of nodes; logs.c: lines that are known.
 *
 * Everything goes the same way twice: while @learning, words and chains are noted, and what comes out is thrown away.
 */

#include <jansson.h>

#include <svcdoctor/expect.h>
#include <svcdoctor/klog.h>
#include <svcdoctor/redact.h>

struct redact_word;
struct redact_name;

struct redact {
	uint8_t key[16];
	struct arena arena;
	bool learning, failed; /* failed: memory is out */
	bool unfit;	       /* this file cannot be told without saying something else than before: it is left out */
	struct map words;      /* in lower case -> struct redact_word */
	struct map taken;      /* words that came out, and may not come out again */
	struct map taken_near; /* the same without one of their letters */
	struct map near;       /* a word, or one without one of its letters -> struct redact_word */
	struct map names;      /* whole names of objects, which no text may show */
	struct map log_words;  /* of known lines of logs, in lower case; empty: not needed so far */
	bool in_log;	       /* these stay, too */
	struct map chains;     /* "ABCDEFGHIJKLMNOP" of KUBE-SVC- and others -> the new one */
};

/* ---- prf.c: SipHash-2-4 ---- */
uint64_t redact_prf(const struct redact *r, const char *domain, const void *data, size_t size);

/* ---- address.c ---- */
/* "10.1.2.3", "10.1.2.0/24", "fd00::1": replaced and appended. False: it is neither, and nothing was appended. */
bool redact_add_address(struct redact *r, struct strbuf *b, const char *s, size_t len);
/* "52:54:00:12:34:56". The same. */
bool redact_add_mac(struct redact *r, struct strbuf *b, const char *s, size_t len);

/* ---- words.c ---- */
bool redact_is_vocabulary(const char *word, size_t len);    /* of messages, in any case */
bool redact_is_protocol_word(const char *word, size_t len); /* stays in names too */
/* How many bytes of the name @s stay because it is, or begins with, what Kubernetes or a well-known component calls itself. */
size_t redact_kept_head(const char *s, size_t len);
/* And how many at its end, as of "web.shop.svc.cluster.local". */
size_t redact_kept_tail(const char *s, size_t len);
bool redact_is_kept_label(const char *key);	 /* "app", and keys of kubernetes.io */
bool redact_is_kept_annotation(const char *key);

/* ---- names.c ---- */
void redact_add_name(struct redact *r, struct strbuf *b, const char *s, size_t len);
static inline void redact_adds_name(struct redact *r, struct strbuf *b, const char *s)
{
	redact_add_name(r, b, s, strlen(s));
}
/* A name that is an object's as a whole: no text shows it. */
void redact_learn_whole(struct redact *r, const char *s, size_t len);
/* Letters and digits of the same kind and number: UIDs, hashes. */
void redact_add_opaque(struct redact *r, struct strbuf *b, const char *s, size_t len);
void redact_add_key(struct redact *r, struct strbuf *b, const char *s); /* of a label */
/* "eth0": a link's name, of at most 15 bytes. */
void redact_add_link(struct redact *r, struct strbuf *b, const char *s, size_t len);

/* ---- text.c ---- */
void redact_add_text(struct redact *r, struct strbuf *b, const char *s, size_t len);
static inline void redact_adds_text(struct redact *r, struct strbuf *b, const char *s)
{
	redact_add_text(r, b, s, strlen(s));
}

/* ---- fields.c ---- */
enum redact_field {
	FIELD_DROP,
	FIELD_DEEP,	/* an object or array: its members by their own names */
	FIELD_NAME,	/* of an object or a part of one: no text shows it */
	FIELD_VALUE,	/* replaced like it, and a word of texts all the same */
	FIELD_TEXT, FIELD_AN_ADDRESS, FIELD_LINK, FIELD_MAC, FIELD_OPAQUE,
	FIELD_AS_IS,	/* a word of a fixed set, a number, a time: goes through the vocabulary all the same where it is text */
	FIELD_LABELS, FIELD_SELECTOR, FIELD_ANNOTATIONS, FIELD_DATA, FIELD_IMAGE, FIELD_TIME, FIELD_VERSION,
	FIELD_API,	/* a group, with or without a version */
	FIELD_KEY,	/* of a label, and what is written like one: finalizers, classes */
	FIELD_CONDITION, /* a type */
	FIELD_GATES,	/* feature gates */
	FIELD_FLAGS,	/* words and numbers that no person chooses: "LOWER_UP", "0x4000", "promiscuous-bridge" */
	FIELD_PATH,	/* of a file: of well-known ones */
	FIELD_EMPTY,	/* that it is there is all that goes through */
};
typedef enum redact_field redact_field_fn(const char *key);
enum redact_field redact_field_of(const char *key); /* of the API's objects */
/* A string by its field, appended. */
void redact_add_field(struct redact *r, struct strbuf *b, enum redact_field f, const char *s);
/* A new value, or NULL for one that is dropped. */
json_t *redact_value(struct redact *r, enum redact_field f, const json_t *v, redact_field_fn *field_of);
json_t *redact_string(struct redact *r, enum redact_field f, const char *s);

/* ---- objects.c ---- */
int redact_cluster_json(struct redact *r, const char *name, const char *data, size_t size, struct strbuf *b);
int redact_about(struct redact *r, const char *data, size_t size, struct strbuf *b); /* bundle.json */
enum redact_field redact_proxy_field(const char *key); /* of kube-proxy's configuration */

/* ---- chains.c ---- */
/* The chains that a Service or EndpointSlice has. */
void redact_learn_object(struct redact *r, const json_t *o, int kind);
/* "ns/name:port" of a comment or map: learns its chains. */
void redact_learn_port(struct redact *r, const char *ns, const char *name, const char *port);
void redact_learn_endpoint(struct redact *r, const char *ns, const char *name, const char *port, const struct ip_addr *a, uint16_t number);
/* "endpoint-HASH-ns/name/tcp/port__10.244.1.5/80": whose it is. False: it is none. */
bool redact_nft_endpoint(const char *s, struct ip_addr *ret_addr, uint16_t *ret_port);
/* A chain's, set's or map's name of any kind. */
void redact_add_chain(struct redact *r, struct strbuf *b, const char *s, size_t len);
/* "ns/name:port", replaced. False: it is no such thing. @ret_len: how much of @s it was. */
bool redact_add_port_name(struct redact *r, struct strbuf *b, const char *s, size_t len, size_t *ret_len);
/* A comment of kube-proxy's or of others. */
void redact_add_comment(struct redact *r, struct strbuf *b, const char *s, size_t len);

/* ---- rules.c, nft.c, node.c: files of a node. 1: done; 0: left out ---- */
int redact_xtables(struct redact *r, const char *data, size_t size, struct strbuf *b);
int redact_ipset(struct redact *r, const char *data, size_t size, struct strbuf *b);
int redact_ipvs(struct redact *r, const char *data, size_t size, struct strbuf *b);
int redact_nft(struct redact *r, const char *data, size_t size, struct strbuf *b);
int redact_node_file(struct redact *r, const char *name, const char *data, size_t size, struct strbuf *b);
typedef void redact_line_fn(struct redact *r, struct strbuf *b, const char *s, const char *end);
int redact_each_line(struct redact *r, const char *data, size_t size, struct strbuf *b, redact_line_fn *fn); /* 1 */
/* ---- node-more.c: what a node's kernel counts, and kube-proxy's ports and processes ---- */
int redact_node_more(struct redact *r, const char *name, const char *data, size_t size, struct strbuf *b);
bool redact_is_module(const char *s, size_t len); /* of the kernel, by its name */
/* ---- logs.c: 1 or -ENOMEM ---- */
int redact_log(struct redact *r, enum log_program program, const char *data, size_t size, struct strbuf *b);
void redact_add_flag(struct redact *r, struct strbuf *b, const char *s, const char *end); /* --NAME="VALUE" of kube-proxy, where it may be told */

/* ---- dns.c. 1 ---- */
/* Label by label: "web.shop.svc.cluster.local", "_http._tcp.web", "7.96.10.in-addr.arpa", "10-244-1-5.web". */
void redact_add_dns_name(struct redact *r, struct strbuf *b, const char *s, size_t len);
int redact_dns_text(struct redact *r, const char *data, size_t size, struct strbuf *b);
int redact_resolv_conf(struct redact *r, const char *data, size_t size, struct strbuf *b);
int redact_conntrack_stats(struct redact *r, const char *data, size_t size, struct strbuf *b);
/* ---- dns-server.c ---- */
void redact_corefile(struct redact *r, struct strbuf *b, const char *s);

#endif
