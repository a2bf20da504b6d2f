/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines before the output of DNS tools: a shell's, with its prompt, or the line of dig that repeats its arguments. They say what was asked where the
 * output does not. Sources: dig(1), nslookup(1), host(1) of BIND 9.18, kdig(1) of Knot DNS 3.2.
 */

#include <errno.h>
#include <netinet/in.h>
#include <strings.h>

#include "dns-text-private.h"

#define WORDS_MAX 64
#define DIG_EDNS 1232	   /* since BIND 9.18 */
#define DIG_EDNS_OLD 4096

struct words {
	const char *v[WORDS_MAX]; /* without quotes */
	size_t len;
	bool several;		  /* more commands follow on the line */
};

static bool is_cut(const char *word)
{
	static const char *const cuts[] = { "|", ";", "&&", "||", "&", "done", NULL };

	return str_one_of(word, strlen(word), cuts);
}

static bool is_redirection(const char *word)
{
	return *word == '>' || *word == '<' || str_starts(word, "2>") || str_starts(word, "1>") || str_starts(word, "&>");
}

/* One word as a shell takes it: quotes are gone. */
static const char *shell_word(struct dns_text *t, const char **line)
{
	const char *p = *line + strspn(*line, " \t");
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	char quote = 0;
	char *copy;

	if (!*p)
		return NULL;
	for (; *p && (quote || (*p != ' ' && *p != '\t')); p++) {
		if (quote ? *p == quote : *p == '\'' || *p == '"')
			quote = quote ? 0 : *p;
		else
			strbuf_addc(&b, *p);
	}
	*line = p;
	copy = b.failed ? NULL : dns_text_copy(t, strbuf_str(&b), b.len);
	if (!copy)
		t->err = -ENOMEM;
	return copy;
}

/* The words up to the end of the first command, behind the tool's name. */
static void read_words(struct dns_text *t, const char *line, bool shell, struct words *w)
{
	const char *word;

	while (w->len < WORDS_MAX && (word = shell_word(t, &line))) {
		size_t len = strlen(word);

		if (shell && is_cut(word)) {
			w->several |= *word != '|' || word[1] == '|';
			return;
		}
		if (shell && is_redirection(word))
			continue;
		if (shell && len > 1 && word[len - 1] == ';') {
			w->several = line[strspn(line, " \t")] != '\0';
			w->v[w->len++] = dns_text_copy(t, word, len - 1);
			if (!w->v[w->len - 1])
				w->len--;
			return;
		}
		w->v[w->len++] = word;
	}
}

/* ---- what the arguments say ---- */

static void add_name(struct dns_text *t, struct dns_command *c, const char *word, int type)
{
	size_t len = strlen(word);
	const char *name = strchr(word, '$') ? NULL : dns_text_name(t, word, len);

	if (!name || c->nq == DNS_TEXT_QUESTIONS_MAX)
		return;
	c->q[c->nq].name = name;
	c->q[c->nq].type = type;
	c->q[c->nq].whole = word[len - 1] == '.';
	c->nq++;
}

static void set_server(struct dns_command *c, const char *word)
{
	if (!dns_text_server(word, strlen(word), &c->server, &c->port))
		c->server = (struct ip_addr){ 0 };
}

static void set_port(struct dns_command *c, const char *word)
{
	uint64_t port;

	if (word && parse_uint(word, strlen(word), UINT16_MAX, &port) == 0)
		c->port = (uint16_t)port;
}

static void add_reverse(struct dns_text *t, struct dns_command *c, const char *word)
{
	char buf[DNS_REVERSE_STRLEN];
	struct ip_addr a;

	if (ip_addr_parse(word, &a) == 0)
		add_name(t, c, dns_reverse_name(&a, buf), DNS_PTR);
}

/* "+tcp", "+bufsize=512", "+norec" */
static void dig_plus(struct dns_command *c, const char *word)
{
	const bool no = str_starts(word, "no");
	const char *what = no ? word + 2 : word;
	uint64_t n;

	if (strcmp(what, "tcp") == 0 || strcmp(what, "vc") == 0)
		c->tcp = !no;
	else if (str_starts(what, "rec") || str_starts(what, "rdf"))
		c->no_recursion = no;
	else if (strcmp(what, "short") == 0)
		c->brief = !no;
	else if (strcmp(what, "yaml") == 0)
		c->yaml = !no;
	else if (strcmp(what, "search") == 0 || strcmp(what, "showsearch") == 0 || strcmp(what, "defname") == 0 || str_starts(what, "domain="))
		c->search = !no;
	else if (str_starts(what, "edns"))
		c->edns = no ? 0 : c->edns ? c->edns : c->tool == TOOL_KDIG ? DIG_EDNS_OLD : DIG_EDNS;
	else if (!no && str_starts(what, "bufsize=") && parse_uint(what + 8, strlen(what + 8), UINT16_MAX, &n) == 0)
		c->edns = (uint16_t)n;
}

/* The type of the last name, or of the next one. */
static void dig_type(struct dns_command *c, int type, int *next)
{
	if (c->nq > 0 && c->q[c->nq - 1].type == 0)
		c->q[c->nq - 1].type = type;
	else
		*next = type;
}

static void dig_word(struct dns_text *t, struct dns_command *c, const char *word, int *next)
{
	static const char *const classes[] = { "IN", "CH", "HS", "in", "ch", "hs", NULL };
	int type = dns_text_type(word, strlen(word));

	if (str_one_of(word, strlen(word), classes))
		return;
	if (type > 0) {
		dig_type(c, type, next);
		return;
	}
	add_name(t, c, word, *next);
	*next = 0;
}

/* An option with one letter, whose value may follow in the same word. */
static size_t dig_option(struct dns_text *t, struct dns_command *c, const struct words *w, size_t i, int *next)
{
	const char letter = w->v[i][1], *value = w->v[i][2] ? w->v[i] + 2 : NULL;
	size_t used = 0;
	int type;

	if (!letter || !strchr("bcfkpqtxy", letter))
		return 0;
	if (!value && i + 1 < w->len) {
		value = w->v[i + 1];
		used = 1;
	}
	if (!value)
		return 0;
	if (letter == 'p')
		set_port(c, value);
	else if (letter == 'q')
		add_name(t, c, value, 0);
	else if (letter == 'x')
		add_reverse(t, c, value);
	else if (letter == 't' && (type = dns_text_type(value, strlen(value))) > 0)
		dig_type(c, type, next);
	return used;
}

static void dig_arguments(struct dns_text *t, struct dns_command *c, const struct words *w)
{
	int next = 0;

	for (size_t i = 0; i < w->len; i++) {
		const char *word = w->v[i];

		if (*word == '@')
			set_server(c, word + 1);
		else if (*word == '+')
			dig_plus(c, word + 1);
		else if (*word == '-')
			i += dig_option(t, c, w, i, &next);
		else
			dig_word(t, c, word, &next);
	}
	for (size_t i = 0; i < c->nq; i++)
		if (c->q[i].type == 0)
			c->q[i].type = next ? next : DNS_A;
}

/* "-type=AAAA", "-q=a", "-vc", "-port=5353" */
static void nslookup_option(struct dns_command *c, const char *word, int *type)
{
	const char *value = strchr(word, '=');
	int n;

	if (strcmp(word, "vc") == 0)
		c->tcp = true;
	else if (str_starts(word, "norec"))
		c->no_recursion = true;
	else if (value && *word == 'p')
		set_port(c, value + 1);
	else if (value && (*word == 'q' || str_starts(word, "ty")) && (n = dns_text_type(value + 1, strlen(value + 1))) > 0)
		*type = n;
}

static void nslookup_arguments(struct dns_text *t, struct dns_command *c, const struct words *w)
{
	int type = 0;

	for (size_t i = 0; i < w->len; i++) {
		if (*w->v[i] == '-')
			nslookup_option(c, w->v[i] + 1, &type);
		else if (c->nq == 0)
			add_name(t, c, w->v[i], type);
		else
			set_server(c, w->v[i]);
	}
}

/* "-t aaaa", "-W1", "-vT" */
static size_t host_option(struct dns_command *c, const struct words *w, size_t i, int *type)
{
	for (const char *p = w->v[i] + 1; *p; p++) {
		const char *value = p[1] ? p + 1 : i + 1 < w->len ? w->v[i + 1] : NULL;
		int n;

		if (*p == 'T')
			c->tcp = true;
		if (*p == 'r')
			c->no_recursion = true;
		if (!strchr("tWRNmpc", *p))
			continue;
		if (*p == 't' && value && (n = dns_text_type(value, strlen(value))) > 0)
			*type = n;
		if (*p == 'p')
			set_port(c, value);
		return p[1] ? 0 : 1;
	}
	return 0;
}

static void host_arguments(struct dns_text *t, struct dns_command *c, const struct words *w)
{
	int type = 0;

	for (size_t i = 0; i < w->len; i++) {
		if (*w->v[i] == '-')
			i += host_option(c, w, i, &type);
		else if (c->nq == 0)
			add_name(t, c, w->v[i], type);
		else
			set_server(c, w->v[i]);
	}
}

/* "hosts web", "ahostsv4 web" */
static void getent_arguments(struct dns_text *t, struct dns_command *c, const struct words *w)
{
	size_t i = 0;
	int type;

	while (i < w->len && *w->v[i] == '-')
		i += strcmp(w->v[i], "-s") == 0 ? 2 : 1;
	if (i >= w->len || (!str_starts(w->v[i], "hosts") && !str_starts(w->v[i], "ahosts"))) {
		c->foreign = true;
		return;
	}
	type = str_ends(w->v[i], "v4") ? DNS_A : str_ends(w->v[i], "v6") ? DNS_AAAA : 0;
	while (++i < w->len)
		add_name(t, c, w->v[i], type);
}

static void arguments(struct dns_text *t, struct dns_command *c, const struct words *w)
{
	switch (c->tool) {
	case TOOL_DIG:
	case TOOL_KDIG:
		dig_arguments(t, c, w);
		break;
	case TOOL_NSLOOKUP:
		nslookup_arguments(t, c, w);
		break;
	case TOOL_HOST:
		host_arguments(t, c, w);
		break;
	case TOOL_GETENT:
		getent_arguments(t, c, w);
		break;
	case TOOL_NONE:
		break;
	}
	if (w->several)
		c->nq = 0;
}

/* ---- where the command stands ---- */

static enum dns_tool tool_of(const char *word)
{
	static const struct {
		const char *name;
		enum dns_tool tool;
	} tools[] = { { "dig", TOOL_DIG },   { "kdig", TOOL_KDIG }, { "nslookup", TOOL_NSLOOKUP },
		      { "host", TOOL_HOST }, { "getent", TOOL_GETENT } };

	word = path_base(word);
	for (size_t i = 0; i < ARRAY_LEN(tools); i++)
		if (strcmp(tools[i].name, word) == 0)
			return tools[i].tool;
	return TOOL_NONE;
}

/* "$", "/", "#", "root@web-0:/#", "bash-5.1$", "+", "++", "[root@node1 ~]#" */
static bool is_prompt(const char *word)
{
	const size_t len = strlen(word);

	return len > 0 && (strchr("$#%>", word[len - 1]) || strspn(word, "+") == len);
}

static bool is_wrapper(const char *word)
{
	static const char *const names[] = { "kubectl", "oc",	  "docker", "podman", "crictl", "nerdctl", "nsenter", "ip",
					     "sudo",	"chroot", "timeout", "time",   "env",	 "busybox", "watch",   NULL };

	word = path_base(word);
	return str_one_of(word, strlen(word), names);
}

/* Lines of host and nslookup about a name that is called like a tool. */
static bool is_output(const struct words *w, size_t i)
{
	static const char *const verbs[] = { "has", "is", "mail", "canonical", "domain", "descriptive", "service", "text", "name", "=", NULL };

	return i + 1 < w->len && str_one_of(w->v[i + 1], strlen(w->v[i + 1]), verbs);
}

/* Where the tool's name stands: w->len when the line is no command of one. *@ret_shell: it begins with a prompt. */
static size_t find_tool(const struct words *w, bool *ret_shell)
{
	bool before = false, wrapped = w->len > 0 && is_wrapper(w->v[0]);

	for (size_t i = 0; i < w->len; i++) {
		if (tool_of(w->v[i]) != TOOL_NONE && (i == 0 || before || wrapped) && !is_output(w, i))
			return i;
		before |= is_prompt(w->v[i]) || strcmp(w->v[i], "--") == 0;
		*ret_shell |= i < 3 && is_prompt(w->v[i]) && i + 1 < w->len && !str_ends(w->v[i], ">");
	}
	return w->len;
}

static void begin_command(struct dns_text *t, const struct dns_command *c)
{
	dns_text_forget(t);
	t->cmd = *c;
}

/* Most lines are none: they are not taken apart. */
static bool may_be_command(const char *line)
{
	return strstr(line, "dig") || strstr(line, "nslookup") || strstr(line, "host ") || strstr(line, "getent") || strchr("$#%+/[", *line) ||
	       strchr(line, '@');
}

bool dns_text_command(struct dns_text *t, const char *line)
{
	struct dns_command c = { .port = 53, .line = t->line };
	struct words w = { .len = 0 }, args = { .len = 0 };
	bool shell = false;
	size_t at;

	if (!may_be_command(line))
		return false;
	read_words(t, line, false, &w);
	at = find_tool(&w, &shell);
	if (at == w.len) {
		c.foreign = shell && (is_prompt(w.v[0]) || strchr(w.v[0], '@') || *w.v[0] == '/');
		if (c.foreign)
			begin_command(t, &c);
		return c.foreign;
	}
	c.tool = tool_of(w.v[at]);
	c.edns = c.tool == TOOL_DIG ? DIG_EDNS : 0;
	/* again, as a shell splits it; what stands before the tool has as many words */
	w.len = 0;
	read_words(t, line, true, &w);
	for (size_t i = at + 1; i < w.len; i++) {
		w.several |= tool_of(w.v[i]) == TOOL_DIG;
		args.v[args.len++] = w.v[i];
	}
	args.several = w.several;
	arguments(t, &c, &args);
	begin_command(t, &c);
	if (c.yaml) {
		t->cmd.foreign = true;
		dns_text_bad(t, "what dig prints as YAML is not read");
	}
	return true;
}

/* "9.18.1-Debian": since 9.18 it offers 1232 bytes. */
static bool is_old_dig(const char *version)
{
	unsigned long minor;

	if (!str_starts(version, "9."))
		return false;
	minor = strtoul(version + 2, NULL, 10);
	return minor > 0 && minor < 18;
}

bool dns_text_banner(struct dns_text *t, const char *line)
{
	static const char before[] = "; <<>> DiG ", after[] = " <<>>";
	struct dns_command c = { .tool = TOOL_DIG, .banner = true, .port = 53, .line = t->line };
	struct words w = { .len = 0 };
	const char *args;

	if (!str_starts(line, before) || !(args = strstr(line + sizeof(before) - 1, after)))
		return false;
	dns_text_end(t);
	c.edns = is_old_dig(line + sizeof(before) - 1) ? DIG_EDNS_OLD : DIG_EDNS;
	read_words(t, args + sizeof(after) - 1, false, &w);
	dig_arguments(t, &c, &w);
	t->cmd = c;
	return true;
}
