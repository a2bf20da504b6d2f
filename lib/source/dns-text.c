/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads what DNS tools print, one output after the other, into answers: dig and kdig (dns-text-dig.c), nslookup of BIND and of busybox, host and getent
 * (dns-text-lookup.c), with the command lines that a shell shows before them (dns-text-command.c) or without. Lines tell by themselves what they are; what
 * was asked and of whom comes from the output where it says so, else from the command line. Here are the lines, the answer that is being read, and what is
 * known of servers that did not answer: the tools tell of them before they say what was asked.
 */

#include <errno.h>
#include <netinet/in.h>
#include <strings.h>

#include "dns-text-private.h"

#define LINE_SIZE_MAX (64u << 10)
#define BAD_LINES_MAX 20

char *dns_text_copy(struct dns_text *t, const char *s, size_t len)
{
	char *copy = arena_strndup(t->arena, s, len);

	if (!copy)
		t->err = -ENOMEM;
	return copy;
}

void dns_text_bad(struct dns_text *t, const char *why)
{
	if (t->bad++ < BAD_LINES_MAX)
		sd_note_add(t->notes, false, "bad-line", t->file, t->line, 1, NULL, "'%s': %s", t->file, why);
}

/* ---- adding answers ---- */

void dns_text_add(struct dns_text *t, const struct dns_answer *a)
{
	struct dns_answer copy = *a;

	if (t->err < 0)
		return;
	if (t->ret->answers.len >= DNS_TEXT_ANSWERS_MAX) {
		dns_text_bad(t, "there are too many answers");
		return;
	}
	copy.file = t->file;
	if (!copy.line)
		copy.line = t->line;
	if (array_push(&t->ret->answers, copy) < 0)
		t->err = -ENOMEM;
}

static void forget_faults(struct dns_text *t)
{
	t->nfaults = 0;
	t->strangers = 0;
	t->garbage = NULL;
	t->truncated = false;
	t->said = false;
}

void dns_text_fault(struct dns_text *t, const struct dns_fault *f)
{
	for (size_t i = 0; i < t->nfaults; i++) {
		struct dns_fault *o = &t->faults[i];

		if (o->end == f->end && o->port == f->port && o->tcp == f->tcp && ip_addr_equal(&o->server, &f->server)) {
			o->count++;
			return;
		}
	}
	if (t->nfaults < DNS_TEXT_FAULTS_MAX) {
		t->faults[t->nfaults] = *f;
		t->faults[t->nfaults].count = 1;
		t->faults[t->nfaults++].line = t->line;
	}
}

static bool is_lookup_tool(enum dns_tool tool)
{
	return tool == TOOL_NSLOOKUP || tool == TOOL_HOST || tool == TOOL_GETENT;
}

/* What this program wrote beside dig's words. */
static void use_extra(struct dns_text *t, struct dns_answer *a)
{
	const struct dns_answer *x = &t->extra;

	if (!t->said)
		return;
	a->searched |= x->searched;
	a->records_unknown |= x->records_unknown;
	a->q.pair = x->q.pair;
	a->error = x->error;
	a->tries = x->tries;
	a->strangers = x->strangers;
	a->source_port = x->source_port;
	if (x->us)
		a->us = x->us;
	if (x->size)
		a->size = x->size;
	if (x->end != DNS_ENDS)
		a->end = x->end;
	if (x->why)
		a->why = x->why;
}

static void add_fault(struct dns_text *t, const struct dns_fault *f, const struct dns_answer *like)
{
	struct dns_answer a = { .q = like->q, .searched = like->searched, .end = f->end, .why = f->why, .line = f->line };

	a.q.server = f->server;
	a.q.port = f->port;
	a.q.tcp = f->tcp;
	a.tries = f->count;
	if (f->end == DNS_TIMED_OUT && t->garbage) {
		a.end = DNS_GARBAGE;
		a.why = t->garbage;
	} else if (f->end == DNS_TIMED_OUT && t->strangers) {
		a.end = DNS_STRANGERS;
	}
	a.strangers = t->strangers;
	use_extra(t, &a);
	dns_text_add(t, &a);
}

/* The answer over UDP that was cut off, and then asked for again over TCP. */
static void add_truncated(struct dns_text *t, const struct dns_answer *like)
{
	struct dns_answer a = { .q = like->q, .searched = like->searched, .end = DNS_ANSWERED, .tc = true, .records_unknown = true, .line = like->line };

	if (!t->truncated)
		return;
	a.q.tcp = false;
	dns_text_add(t, &a);
}

/* Servers that were asked before the one that answered, and earlier tries of this one. */
static void use_faults(struct dns_text *t, struct dns_answer *a)
{
	add_truncated(t, a);
	for (size_t i = 0; i < t->nfaults; i++) {
		const struct dns_fault *f = &t->faults[i];

		if (!ip_addr_equal(&f->server, &a->q.server) || f->port != a->q.port || f->tcp != a->q.tcp)
			add_fault(t, f, a);
		else
			a->tries = (a->tries ? a->tries : 1) + f->count;
	}
	if (!t->nfaults || a->tries)
		a->strangers = t->strangers;
}

/* The question that the command line asks next. False: it is not known. */
static bool command_question(const struct dns_text *t, struct dns_answer *a)
{
	const struct dns_command *c = &t->cmd;
	size_t i = is_lookup_tool(c->tool) ? 0 : c->next;

	if (c->tool == TOOL_NONE || i >= c->nq || (c->tool == TOOL_KDIG && c->nq > 1))
		return false;
	a->q.name = c->q[i].name;
	a->q.type = c->q[i].type > 0 ? (uint16_t)c->q[i].type : DNS_A;
	a->searched = (is_lookup_tool(c->tool) || c->search) && !c->q[i].whole;
	return true;
}

static void command_transport(const struct dns_text *t, struct dns_question *q)
{
	q->server = t->cmd.server;
	q->port = t->cmd.tool == TOOL_NONE ? 53 : t->cmd.port;
	q->tcp = t->cmd.tcp;
	q->edns = t->cmd.edns;
	q->no_recursion = t->cmd.no_recursion;
}

void dns_text_gave_up(struct dns_text *t, enum dns_end end, const char *why)
{
	struct dns_answer a = { .line = t->line };
	bool known = command_question(t, &a);

	command_transport(t, &a.q);
	for (size_t i = 0; i < t->nfaults; i++) {
		if (!known && t->faults[i].name) {
			a.q.name = t->faults[i].name;
			a.q.type = DNS_A;
			a.searched = true;
			known = true;
		}
	}
	if (!known) {
		dns_text_bad(t, "no server was reached, and the command line that says what was asked is not here");
	} else {
		struct dns_fault f = { .end = end, .server = t->cmd.server, .port = a.q.port, .tcp = a.q.tcp, .line = t->line, .why = why };

		if (t->truncated && t->nfaults)
			a.q.server = t->faults[0].server;
		add_truncated(t, &a);
		for (size_t i = 0; i < t->nfaults; i++)
			add_fault(t, &t->faults[i], &a);
		if (!t->nfaults && t->in_server)
			f.server = t->server;
		if (!t->nfaults)
			add_fault(t, &f, &a);
	}
	if (t->cmd.tool == TOOL_DIG)
		t->cmd.next++;
	forget_faults(t);
}

/* ---- the answer that is being read ---- */

void dns_text_begin(struct dns_text *t, bool bare)
{
	dns_text_end(t);
	t->open = true;
	t->bare = bare;
	t->lookup = t->query = t->has_question = t->other_class = false;
	t->section = SECTION_NONE;
	t->told_answers = t->told_authority = -1;
	t->a = (struct dns_answer){ .end = DNS_ANSWERED, .line = t->line };
	command_transport(t, &t->a.q);
	t->chain = NULL;
	t->value_type = 0;
	t->answers.len = t->authority.len = 0;
}

void dns_text_take(struct dns_text *t, const struct dns_record *r, bool authority)
{
	int e = 0;

	if (authority && t->authority.len < DNS_TEXT_RECORDS_MAX)
		e = array_push(&t->authority, *r);
	else if (!authority && t->answers.len < DNS_TEXT_RECORDS_MAX)
		e = array_push(&t->answers, *r);
	else
		t->a.records_unknown = true;
	if (e < 0)
		t->err = e;
}

static struct dns_record *keep_records(struct dns_text *t, const struct dns_record *v, size_t n)
{
	struct dns_record *copy = n ? arena_array(t->arena, struct dns_record, n) : NULL;

	if (n && !copy)
		t->err = -ENOMEM;
	else if (n)
		memcpy(copy, v, n * sizeof(*v));
	return copy;
}

/* What was asked, where the message does not say it. */
static bool find_question(struct dns_text *t)
{
	struct dns_answer asked = { 0 };

	if (t->has_question)
		return true;
	if (!t->lookup && command_question(t, &asked) && !t->cmd.search) {
		t->a.q.name = asked.q.name;
		t->a.q.type = asked.q.type;
	} else if (t->answers.len > 0) {
		t->a.q.name = t->answers.v[0].owner;
		t->a.q.type = t->answers.v[t->answers.len - 1].type;
	} else {
		return false;
	}
	return true;
}

/* "web" was typed, and "web.shop.svc.cluster.local" was found. */
static bool is_longer(const char *whole, const char *typed)
{
	size_t len = strlen(typed);

	return strlen(whole) > len && strncasecmp(whole, typed, len) == 0 && whole[len] == '.';
}

/* A name that says itself that it is one of the cluster, so that it matters as it is. */
static bool is_whole_service(const char *name)
{
	return strcasestr(name, ".svc.") != NULL;
}

/*
 * nslookup and host tell the name that a server was asked for; what somebody typed is an answer of its own. That it was not found is only sure when nothing
 * follows: nslookup -debug and busybox tell of every name of the search list.
 */
static void add_typed(struct dns_text *t, const struct dns_answer *a)
{
	const size_t slot = a->q.type == DNS_AAAA;
	struct dns_answer typed = *a;

	if (!t->lookup || t->cmd.nq == 0 || t->cmd.q[0].whole || !is_lookup_tool(t->cmd.tool))
		return;
	if (a->rcode == DNS_NOERROR || !is_longer(a->q.name, t->cmd.q[0].name))
		t->has_typed[slot] = false;
	if (a->searched || !is_longer(a->q.name, t->cmd.q[0].name))
		return;
	typed.q.name = t->cmd.q[0].name;
	typed.searched = true;
	typed.records_unknown = true;
	if (a->rcode == DNS_NOERROR) {
		dns_text_add(t, &typed);
	} else {
		t->typed[slot] = typed;
		t->has_typed[slot] = true;
	}
}

static void flush_typed(struct dns_text *t)
{
	for (size_t i = 0; i < 2; i++) {
		if (t->has_typed[i])
			dns_text_add(t, &t->typed[i]);
		t->has_typed[i] = false;
	}
}

static void mark_typed(struct dns_text *t, struct dns_answer *a)
{
	if (t->lookup && a->rcode != DNS_NOERROR && t->cmd.nq > 0 && !t->cmd.q[0].whole && dns_name_equal(a->q.name, t->cmd.q[0].name) &&
	    !is_whole_service(a->q.name))
		a->searched = true;
}

static bool counts_differ(const struct dns_text *t)
{
	return (t->told_answers >= 0 && (size_t)t->told_answers != t->answers.len) ||
	       (t->told_authority > 0 && t->authority.len > 0 && (size_t)t->told_authority != t->authority.len);
}

static void finish_answer(struct dns_text *t)
{
	struct dns_answer *a = &t->a;

	a->answers = keep_records(t, t->answers.v, t->answers.len);
	a->nanswers = a->answers ? t->answers.len : 0;
	a->authority = keep_records(t, t->authority.v, t->authority.len);
	a->nauthority = a->authority ? t->authority.len : 0;
	a->records_unknown |= counts_differ(t);
	if (t->bare && t->answers.len > 0 && t->value_type == 0 && a->q.type != DNS_CNAME && a->rcode == DNS_NOERROR)
		a->records_unknown = true;
	mark_typed(t, a);
	use_faults(t, a);
	use_extra(t, a);
	dns_text_add(t, a);
	add_typed(t, a);
}

void dns_text_end(struct dns_text *t)
{
	if (!t->open)
		return;
	t->open = false;
	strbuf_reset(&t->joined);
	if (t->query)
		return;
	if (t->other_class)
		dns_text_bad(t, "an answer is of another class than IN");
	else if (!find_question(t))
		dns_text_bad(t, "an answer does not say what was asked");
	else
		finish_answer(t);
	if (!is_lookup_tool(t->cmd.tool))
		t->cmd.next++;
	forget_faults(t);
}

/* ---- lines ---- */

/* Nothing came out of a command that prints whatever it finds. */
static void end_command(struct dns_text *t)
{
	struct dns_answer a = { .end = DNS_FAILED, .why = "it printed nothing: the name was not found", .line = t->cmd.line };

	if (t->cmd.tool != TOOL_GETENT || t->cmd.printed > 0 || !command_question(t, &a))
		return;
	a.q.port = 53;
	dns_text_add(t, &a);
}

void dns_text_forget(struct dns_text *t)
{
	dns_text_end(t);
	flush_typed(t);
	end_command(t);
	forget_faults(t);
	t->cmd = (struct dns_command){ .port = 53 };
	t->server = (struct ip_addr){ 0 };
	t->server_port = 53;
	t->in_server = t->host_server = t->not_authoritative = t->debug = false;
	t->name = t->alone = NULL;
	t->nseen = 0;
}

static bool is_forms(struct dns_text *t, const char *line)
{
	if (dns_text_banner(t, line) || (*line != ';' && dns_text_command(t, line)))
		return true;
	t->cmd.printed++;
	if (*line == ';' || t->joined.len > 0)
		return dns_text_dig(t, line);
	return dns_text_dig_body(t, line) || dns_text_getent(t, line) || dns_text_lookup(t, line) || dns_text_host(t, line);
}

static bool has_control(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < ' ' && s[i] != '\t' && s[i] != 0x1b)
			return true;
	return false;
}

static void take_line(struct dns_text *t, struct strbuf *b, const char *s, size_t len)
{
	while (len > 0 && (s[len - 1] == '\r' || s[len - 1] == ' ' || s[len - 1] == '\t'))
		len--;
	if (len > LINE_SIZE_MAX || has_control(s, len)) {
		dns_text_bad(t, len > LINE_SIZE_MAX ? "a line is longer than 64 KiB" : "a line has bytes that belong to no text");
		return;
	}
	strbuf_reset(b);
	strbuf_add(b, s, len);
	if (b->failed) {
		t->err = -ENOMEM;
		return;
	}
	if (len == 0) {
		dns_text_blank(t);
	} else if (!is_forms(t, strbuf_str(b)) && !t->cmd.foreign && !t->debug) {
		dns_text_bad(t, "the line is of no form that dig, kdig, nslookup, host or getent print");
	}
}

int read_dns_text(struct arena *arena, const char *data, size_t size, const char *file, struct sd_notes *notes, struct snap_dns *ret)
{
	struct dns_text t = { .arena = arena, .file = arena_strdup(arena, file), .notes = notes, .ret = ret, .joined = STRBUF_INIT, .cmd = { .port = 53 }, .server_port = 53 };
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	const char *end = data + size;

	if (!t.file)
		return -ENOMEM;
	while (data < end && t.err == 0) {
		const char *nl = memchr(data, '\n', (size_t)(end - data));

		t.line++;
		take_line(&t, &b, data, (size_t)((nl ? nl : end) - data));
		data = nl ? nl + 1 : end;
	}
	dns_text_forget(&t);
	if (t.bad > BAD_LINES_MAX)
		sd_note_add(notes, false, "bad-line", file, 0, 0, NULL, "'%s': %zu more lines are not understood", file, t.bad - BAD_LINES_MAX);
	strbuf_release(&t.joined);
	array_free(&t.answers);
	array_free(&t.authority);
	return t.err;
}
