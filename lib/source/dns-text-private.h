/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DNS_TEXT_PRIVATE_H
#define DNS_TEXT_PRIVATE_H

/*
 * What the parts of the reader of DNS text share. dns-text.c goes through the lines and adds what was read to the snapshot; dns-text-command.c reads
 * the lines that a shell shows before it, dns-text-dig.c what dig and kdig print, dns-text-lookup.c nslookup, host and getent, dns-text-record.c
 * the words that all of them have.
 */

#include <svcdoctor/source.h>

#define DNS_TEXT_NAME_MAX 1020	  /* a name of 255 bytes, each as \DDD */
#define DNS_TEXT_RECORDS_MAX 5000 /* no message of 64 KiB has more */
#define DNS_TEXT_ANSWERS_MAX 100000
#define DNS_TEXT_QUESTIONS_MAX 16
#define DNS_TEXT_FAULTS_MAX 16

enum dns_tool { TOOL_NONE, TOOL_DIG, TOOL_KDIG, TOOL_NSLOOKUP, TOOL_HOST, TOOL_GETENT };

/* A command line, as far as it says what was asked. */
struct dns_command {
	enum dns_tool tool;
	bool banner;	      /* dig's own line, that a shell's line may stand before */
	bool foreign;	      /* a command that is none of these: what it prints is passed over */
	struct ip_addr server; /* family 0: not told */
	uint16_t port;
	bool tcp, no_recursion, search, brief, yaml;
	uint16_t edns;
	struct {
		const char *name; /* without the final dot */
		int type;	  /* 0: not told */
		bool whole;	  /* it was written with the final dot */
	} q[DNS_TEXT_QUESTIONS_MAX];
	size_t nq, next;      /* next: that is not answered yet */
	unsigned line;
	unsigned printed;     /* lines that it printed */
};

/* What kept a server from answering: told before the question is, or before another server's answer. */
struct dns_fault {
	enum dns_end end;
	struct ip_addr server;
	uint16_t port;
	bool tcp;
	unsigned count, line;
	const char *name, *why;
};

enum dns_section { SECTION_NONE, SECTION_QUESTION, SECTION_ANSWER, SECTION_AUTHORITY, SECTION_OTHER };

struct dns_text {
	struct arena *arena;
	const char *file;
	struct sd_notes *notes;
	struct snap_dns *ret;
	unsigned line;
	size_t bad;	/* lines that nobody understands */
	int err;	/* -ENOMEM */
	struct strbuf joined; /* a record in parentheses, over several lines */
	int depth;	      /* of them */

	struct dns_command cmd;

	/* since the last answer */
	struct dns_fault faults[DNS_TEXT_FAULTS_MAX];
	size_t nfaults;
	unsigned strangers;
	const char *garbage;
	bool truncated;	/* it asks again over TCP */
	/* what this program writes beside dig's own words: ";; svcdoctor: end=..." */
	bool said;
	struct dns_answer extra;

	/* the answer that is being read */
	bool open;
	bool bare;	 /* records without the message around them */
	bool lookup;	 /* of nslookup, host or getent, which go through the search list */
	bool query;	 /* it is the question that was sent, and no answer */
	bool has_question, other_class;
	enum dns_section section;
	long told_answers, told_authority; /* as the header counts them; -1: it does not */
	const char *chain;	 /* of records alone: the name that the next one belongs to */
	uint16_t value_type;	 /* of them: of what stands at the end of the chain; 0: nothing yet */
	struct dns_answer a;
	ARRAY_OF(struct dns_record) answers, authority;

	/* nslookup and host: how what somebody typed ended, of A and of AAAA, as long as another name of the search list may follow */
	bool has_typed[2];
	struct dns_answer typed[2];
	struct ip_addr server;
	uint16_t server_port;
	bool in_server, host_server, bind, old_busybox, not_authoritative, debug;
	const char *name;  /* that the addresses below belong to */
	const char *alone; /* a name on a line of its own: of an SOA */
	struct {	   /* what the same run told already: A is asked for before AAAA */
		const char *name;
		uint16_t type;
	} seen[DNS_TEXT_QUESTIONS_MAX * 2];
	size_t nseen;
};

/* ---- dns-text.c ---- */

/* Says that the line is not understood. */
void dns_text_bad(struct dns_text *t, const char *why);
/* Begins an answer; the one before it is ended. */
void dns_text_begin(struct dns_text *t, bool bare);
/* Ends the answer that is being read, if there is one, and adds it. */
void dns_text_end(struct dns_text *t);
/* Adds a record to the answer that is being read. */
void dns_text_take(struct dns_text *t, const struct dns_record *r, bool authority);
/* A server did not answer. */
void dns_text_fault(struct dns_text *t, const struct dns_fault *f);
/* None did: what is known of them becomes answers. @end: of a server of which nothing else is known. */
void dns_text_gave_up(struct dns_text *t, enum dns_end end, const char *why);
/* An empty line. */
void dns_text_blank(struct dns_text *t);
/* A whole answer. */
void dns_text_add(struct dns_text *t, const struct dns_answer *a);
/* Forgets what belongs to the command before this one. */
void dns_text_forget(struct dns_text *t);
char *dns_text_copy(struct dns_text *t, const char *s, size_t len); /* in the arena; NULL sets t->err */

/* ---- dns-text-record.c ---- */

struct dns_word {
	const char *s;
	size_t len;
};
/* The next word of the line, which is moved behind it; quotes belong to it. False: there is none. */
bool dns_word_next(const char **line, struct dns_word *ret);
bool dns_word_is(const struct dns_word *w, const char *what); /* without regard to case */
/* A name without its final dot, copied; NULL: it is none (or memory is out, t->err). "" is the root. */
const char *dns_text_name(struct dns_text *t, const char *s, size_t len);
/* Type by its name, those included that have no constant; -EINVAL. */
int dns_text_type(const char *s, size_t len);
/* "10.96.0.10#53", "10.96.0.10@53", "10.96.0.10:53", "[fd00::a]:53", or an address alone; @ret_port is untouched then. */
bool dns_text_server(const char *s, size_t len, struct ip_addr *ret, uint16_t *ret_port);
/* "NXDOMAIN"; -EINVAL. */
int dns_text_rcode(const char *s, size_t len);
/*
 * A record as in a zone's file: owner, seconds, class, type, value. 1: it is one, in @ret; 0: it is none (of this class, or of a type that is not
 * known: @ret_why says so); negative: -ENOMEM. @strict: there must be a class or seconds, and a final dot.
 */
int dns_text_record(struct dns_text *t, const char *line, bool strict, struct dns_record *ret, const char **ret_why);
/* Fills the value of @r, whose owner and type are set. False: it is none of this type. */
bool dns_text_value(struct dns_text *t, const char *value, struct dns_record *r);

/* ---- dns-text-command.c ---- */

/* "$ dig @10.96.0.10 web", "+ nslookup web.shop", "kubectl exec client -- getent hosts web", "dig web". False: it is no command line. */
bool dns_text_command(struct dns_text *t, const char *line);
/* "; <<>> DiG 9.18.1 <<>> @10.96.0.10 web" */
bool dns_text_banner(struct dns_text *t, const char *line);

/* ---- each: true when the line is of its form ---- */

bool dns_text_dig(struct dns_text *t, const char *line);      /* lines that begin with ';' */
bool dns_text_dig_body(struct dns_text *t, const char *line); /* records of an open section, or without any */
bool dns_text_lookup(struct dns_text *t, const char *line);
bool dns_text_host(struct dns_text *t, const char *line);
bool dns_text_getent(struct dns_text *t, const char *line);

/* Records of nslookup and host: one that belongs to no answer that is being read begins one. */
void dns_text_bare(struct dns_text *t, const struct dns_record *r);

#endif
