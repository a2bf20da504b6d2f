/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a command line by the option table of its command: long options with "=" or the value beside them, short
 * ones bundled, "--". Values go into struct options; a wrong one gets its own message. Help and completion come
 * from the same tables (usage.c, completion.c).
 */
#include <errno.h>
#include <fcntl.h>

#include "cmd.h"

const char *const choices_format2[] = { "text", "json", NULL };
const char *const choices_format3[] = { "text", "json", "lines", NULL };
const char *const choices_format4[] = { "text", "json", "lines", "junit", NULL };
const char *const choices_roles[] = { "yaml", "json", NULL }; /* positions of enum report_format: YAML is their text */
const char *const choices_fail_on[] = { "error", "warning", "info", "never", NULL };
const char *const choices_color[] = { "auto", "always", "never", NULL };
const char *const choices_axes[] = { "name", "endpoints", "rules", NULL };

enum { IGNORE_FILE_MAX = 1 << 20 };

#define API_ROW(name, arg, help, member, complete) \
	{ 0, name, arg, help, OPT_MAYBE, offsetof(struct options, api.member), 0, NULL, complete }

const struct opt api_rows[] = {
	API_ROW("kubeconfig", "PATH", "the kubeconfig file", kubeconfig, COMPLETE_FILE),
	API_ROW("context", "NAME", "the context of the kubeconfig", context, COMPLETE_CONTEXT),
	API_ROW("cluster", "NAME", "the cluster of the kubeconfig", cluster, COMPLETE_CLUSTER),
	API_ROW("user", "NAME", "the user of the kubeconfig", user, COMPLETE_USER),
	{ 's', "server", "URL", "the address of the API server", OPT_MAYBE, offsetof(struct options, api.server), 0, NULL,
	  COMPLETE_NOTHING },
	API_ROW("token", "TOKEN", "a bearer token", token, COMPLETE_NOTHING),
	API_ROW("username", "NAME", "for basic authentication", username, COMPLETE_NOTHING),
	API_ROW("password", "TEXT", "for basic authentication", password, COMPLETE_NOTHING),
	API_ROW("as", "NAME", "act as this user", as, COMPLETE_NOTHING),
	{ 0, "as-group", "NAME", "act as a member of this group (several times)", OPT_LIST, offsetof(struct options, as_groups), 0,
	  NULL, COMPLETE_NOTHING },
	API_ROW("as-uid", "UID", "act as this uid", as_uid, COMPLETE_NOTHING),
	API_ROW("certificate-authority", "PATH", "the CA that signed the server's certificate", certificate_authority, COMPLETE_FILE),
	API_ROW("client-certificate", "PATH", "the client's certificate", client_certificate, COMPLETE_FILE),
	API_ROW("client-key", "PATH", "its key", client_key, COMPLETE_FILE),
	API_ROW("tls-server-name", "NAME", "the name that the server's certificate must have", tls_server_name, COMPLETE_NOTHING),
	{ 0, "insecure-skip-tls-verify", NULL, "do not check the server's certificate", OPT_TRI,
	  offsetof(struct options, api.insecure_skip_tls_verify), 0, NULL, COMPLETE_NOTHING },
	OPT_ROW_TIMEOUT,
	API_ROW("request-timeout", "TIME", "the limit of one request, such as 30s or 1m; 0: none", request_timeout, COMPLETE_NOTHING),
	{ 0, "disable-compression", NULL, "do not ask for compressed answers", OPT_FLAG,
	  offsetof(struct options, api.disable_compression), 0, NULL, COMPLETE_NOTHING },
	{ 0, "v", "N", NULL, OPT_LEVEL, offsetof(struct options, verbose), 0, NULL, COMPLETE_NOTHING },
	{ 0, "cache-dir", "PATH", NULL, OPT_MAYBE, offsetof(struct options, unused), 0, NULL, COMPLETE_FILE },
	OPT_ROW_END,
};

const struct opt node_rows[] = { OPT_ROW_NODE, OPT_ROW_NETNS, OPT_ROW_PID, OPT_ROW_END };

static bool has_own_row(const struct command *cmd, const char *name)
{
	for (const struct opt *row = cmd->options; row->name; row++) {
		if (strcmp(row->name, name) == 0) {
			return true;
		}
	}
	return false;
}

const struct opt *command_row(const struct command *cmd, size_t i)
{
	size_t own = 0;
	while (cmd->options[own].name) {
		own++;
	}
	if (i < own) {
		return &cmd->options[i];
	}
	if (!(cmd->needs & (COMMAND_NEEDS_SNAPSHOT | COMMAND_NEEDS_SOURCE))) {
		return NULL;
	}
	/* a row of its own goes before one of the same name */
	const struct opt *const shared[] = { node_rows, api_rows };
	size_t left = i - own;
	for (size_t t = 0; t < ARRAY_LEN(shared); t++) {
		for (const struct opt *row = shared[t]; row->name; row++) {
			if (!has_own_row(cmd, row->name) && left-- == 0) {
				return row;
			}
		}
	}
	return NULL;
}

void options_release(struct options *o)
{
	array_free(&o->as_groups);
	array_free(&o->users);
	array_free(&o->groups);
	array_free(&o->accounts);
	array_free(&o->dns_servers);
	array_free(&o->logs);
	array_free(&o->bundles);
	array_free(&o->ignore);
	array_free(&o->args);
}

static int choice_index(const char *value, size_t len, const char *const *choices)
{
	for (int i = 0; choices[i]; i++) {
		if (strlen(choices[i]) == len && memcmp(choices[i], value, len) == 0) {
			return i;
		}
	}
	return -1;
}

static void join_choices(struct strbuf *b, const char *const *choices)
{
	for (size_t i = 0; choices[i]; i++) {
		strbuf_addf(b, "%s%s", i ? ", " : "", choices[i]);
	}
}

static int choice_error(struct context *c, const struct opt *row, const char *value)
{
	struct strbuf all CLEANUP(strbuf_release) = STRBUF_INIT;
	join_choices(&all, row->choices);
	const char *near = nearest_name(value, row->choices);
	if (near) {
		return usage_error(c, "--%s cannot be '%s': did you mean '%s'? (%s)", row->name, value, near,
				   strbuf_str(&all));
	}
	return usage_error(c, "--%s cannot be '%s', only one of %s", row->name, value, strbuf_str(&all));
}

static int set_axes(struct context *c, const struct opt *row, const char *value)
{
	bool axes[AXIS_COUNT] = { false };
	const char *at = value;
	for (;;) {
		size_t len = strcspn(at, ",");
		int i = choice_index(at, len, row->choices);
		if (i < 0) {
			char *one = arena_strndup(&c->arena, at, len);
			return one ? choice_error(c, row, one) : -ENOMEM;
		}
		axes[i] = true;
		if (!at[len]) {
			break;
		}
		at += len + 1;
	}
	memcpy(c->o.axes, axes, sizeof(axes));
	c->o.axes_given = true;
	return 0;
}

/* CHECK or CHECK@NS/NAME of a check that exists? */
static bool is_ignore_entry(struct context *c, const char *text)
{
	size_t len = strcspn(text, "@");
	char *id = arena_strndup(&c->arena, text, len);
	if (!id || !check_find(id)) {
		return false;
	}
	return !text[len] || strchr(text + len, '/');
}

static int ignore_error(struct context *c, const char *entry, const char *where)
{
	size_t n = 0;
	while (check_catalogue[n].id) {
		n++;
	}
	const char **ids = arena_array(&c->arena, const char *, n + 1);
	char *id = arena_strndup(&c->arena, entry, strcspn(entry, "@"));
	if (!ids || !id) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		ids[i] = check_catalogue[i].id;
	}
	const char *near = nearest_name(id, ids);
	if (check_find(id)) {
		return usage_error(c, "'%s'%s: behind the '@' stands NAMESPACE/NAME", entry, where);
	}
	if (near) {
		return usage_error(c, "'%s'%s is no check: did you mean '%s'?", entry, where, near);
	}
	return usage_error(c, "'%s'%s is no check and no file; '%s explain' lists them", entry, where, c->program);
}

/* A file of entries, one a line; '#' begins a comment. */
static int ignore_file(struct context *c, const char *path, char *data)
{
	char *where = arena_printf(&c->arena, " in '%s'", path);
	for (char *line = data; line;) {
		char *next = strchr(line, '\n');
		if (next) {
			*next++ = 0;
		}
		line[strcspn(line, "#\r")] = 0;
		line += strspn(line, " \t");
		line[strcspn(line, " \t")] = 0;
		if (*line) {
			char *copy = arena_strdup(&c->arena, line);
			if (!copy || !where) {
				return -ENOMEM;
			}
			if (!is_ignore_entry(c, copy)) {
				return ignore_error(c, copy, where);
			}
			if (array_push(&c->o.ignore, copy) < 0) {
				return -ENOMEM;
			}
		}
		line = next;
	}
	return 0;
}

static int set_ignore(struct context *c, const char *value)
{
	if (is_ignore_entry(c, value)) {
		return array_push(&c->o.ignore, value);
	}
	char *data CLEANUP(text_free) = NULL;
	size_t size;
	int r = file_read_at(AT_FDCWD, value, IGNORE_FILE_MAX, &data, &size);
	if (r >= 0) {
		return ignore_file(c, value, data);
	}
	if (r != -ENOENT) {
		return usage_error(c, "cannot read '%s': %s", value, sd_strerror(r));
	}
	return ignore_error(c, value, "");
}

static int set_number(struct context *c, const struct opt *row, const char *value, void *at)
{
	uint64_t n;
	if (parse_uint(value, strlen(value), row->max, &n) < 0) {
		return usage_error(c, "--%s wants a number up to %u, not '%s'", row->name, (unsigned)row->max,
				   value);
	}
	if (n == 0 && row->kind == OPT_PID) {
		return usage_error(c, "--%s wants the number of a process, not 0", row->name);
	}
	*(uint32_t *)at = (uint32_t)n;
	return 0;
}

static int set_choice(struct context *c, const struct opt *row, const char *value, void *at)
{
	int i = choice_index(value, strlen(value), row->choices);
	if (i < 0) {
		return choice_error(c, row, value);
	}
	*(int *)at = i;
	return 0;
}

/* The words of Go's strconv.ParseBool, which kubectl's flags go by; -1: none of them. */
static int parse_bool(const char *value)
{
	static const char *const words[2][7] = {
		{ "false", "0", "f", "F", "FALSE", "False", NULL },
		{ "true", "1", "t", "T", "TRUE", "True", NULL },
	};
	for (int i = 0; i < 2; i++) {
		if (choice_index(value, strlen(value), words[i]) >= 0) {
			return i;
		}
	}
	return -1;
}

/* @value NULL: the option alone, which says true. */
static int set_bool(struct context *c, const struct opt *row, const char *value, void *at)
{
	int b = value ? parse_bool(value) : 1;
	if (b < 0) {
		return usage_error(c, "--%s cannot be '%s', only true or false", row->name, value);
	}
	if (row->kind == OPT_TRI) {
		*(int *)at = b;
	} else {
		*(bool *)at = b;
	}
	return 0;
}

static int set_level(struct context *c, const struct opt *row, const char *value, void *at)
{
	uint64_t n;
	if (parse_uint(value, strlen(value), 100, &n) < 0) {
		return usage_error(c, "--%s wants a number up to 100, not '%s'", row->name, value);
	}
	*(bool *)at = n > 0;
	return 0;
}

static int set_time(struct context *c, const struct opt *row, const char *value, void *at)
{
	int64_t ms;
	if (parse_duration(value, &ms) < 0) {
		return usage_error(c, "--%s wants a time such as 30s or 2m, not '%s'", row->name, value);
	}
	*(int64_t *)at = ms;
	return 0;
}

/* @value is NULL for options without one. */
static int option_set(struct context *c, const struct opt *row, const char *value)
{
	void *at = (char *)&c->o + row->offset;
	switch (row->kind) {
	case OPT_FLAG:
	case OPT_TRI:
		return set_bool(c, row, value, at);
	case OPT_MAYBE:
		*(const char **)at = *value ? value : NULL;
		return 0;
	case OPT_TEXT:
		if (!*value) {
			return usage_error(c, "--%s is empty", row->name);
		}
		*(const char **)at = value;
		return 0;
	case OPT_LIST:
		if (row->complete == COMPLETE_CHECK) {
			return set_ignore(c, value);
		}
		return array_push((struct string_list *)at, value);
	case OPT_PID:
	case OPT_NUMBER:
		return set_number(c, row, value, at);
	case OPT_CHOICE:
		return set_choice(c, row, value, at);
	case OPT_AXES:
		return set_axes(c, row, value);
	case OPT_TIME:
		return set_time(c, row, value, at);
	case OPT_LEVEL:
		return set_level(c, row, value, at);
	}
	return 0;
}

static const struct opt *row_of_name(const struct command *cmd, const char *name, size_t len)
{
	const struct opt *row;
	for (size_t i = 0; (row = command_row(cmd, i)); i++) {
		if (strlen(row->name) == len && memcmp(row->name, name, len) == 0) {
			return row;
		}
	}
	return NULL;
}

static const struct opt *row_of_letter(const struct command *cmd, char letter)
{
	const struct opt *row;
	for (size_t i = 0; (row = command_row(cmd, i)); i++) {
		if (row->letter == letter) {
			return row;
		}
	}
	return NULL;
}

/* Flags that every kubectl command takes, and that a command which only reads and reports has no use for. */
static const char *const kubectl_only[] = { "log-flush-frequency", "match-server-version", "profile", "profile-output", "vmodule",
					    "warnings-as-errors", NULL };

static int unknown_long(struct context *c, const char *name)
{
	const char *names[64];
	size_t n = 0;
	const struct opt *row;
	for (size_t i = 0; (row = command_row(c->command, i)) && n + 1 < ARRAY_LEN(names); i++) {
		if (row->help) {
			names[n++] = row->name;
		}
	}
	names[n] = NULL;
	if (choice_index(name, strlen(name), kubectl_only) >= 0) {
		return usage_error(c, "unknown option '--%s': it is kubectl's own and changes nothing here", name);
	}
	const char *near = nearest_name(name, names);
	if (near) {
		return usage_error(c, "unknown option '--%s': did you mean '--%s'?", name, near);
	}
	return usage_error(c, "unknown option '--%s'", name);
}

/* @text: what stands behind the dashes. Takes *@i on when the value is the next argument. */
static int parse_long(struct context *c, const char *text, int argc, char **argv, int *i)
{
	size_t len = strcspn(text, "=");
	const struct opt *row = row_of_name(c->command, text, len);
	if (!row) {
		char *name = arena_strndup(&c->arena, text, len);
		return name ? unknown_long(c, name) : -ENOMEM;
	}
	if (!row->arg) {
		return option_set(c, row, text[len] ? text + len + 1 : NULL);
	}
	if (text[len]) {
		return option_set(c, row, text + len + 1);
	}
	if (*i + 1 >= argc) {
		return usage_error(c, "--%s wants a value: %s", row->name, row->arg);
	}
	return option_set(c, row, argv[++*i]);
}

/* -v=6 and -v6, as kubectl has them: how much of @at is such a number; 0: it is none. */
static size_t level_len(const char *at)
{
	size_t skip = at[0] == '=';
	size_t digits = strspn(at + skip, "0123456789");
	return digits > 0 && !at[skip + digits] ? skip + digits : 0;
}

static int parse_short(struct context *c, const char *text, int argc, char **argv, int *i)
{
	for (const char *at = text; *at; at++) {
		const struct opt *row = row_of_letter(c->command, *at);
		if (!row) {
			return usage_error(c, "unknown option '-%c'", *at >= 0x20 && *at < 0x7f ? *at : '?');
		}
		if (row->letter == 'v' && level_len(at + 1) > 0) {
			return set_level(c, row, at + 1 + (at[1] == '='), (char *)&c->o + row->offset);
		}
		if (!row->arg && at[1] == '=') {
			return option_set(c, row, at + 2);
		}
		if (!row->arg) {
			int r = option_set(c, row, NULL);
			if (r != 0) {
				return r;
			}
			continue;
		}
		if (at[1]) {
			return option_set(c, row, at + (at[1] == '=' ? 2 : 1));
		}
		if (*i + 1 >= argc) {
			return usage_error(c, "-%c wants a value: %s", *at, row->arg);
		}
		return option_set(c, row, argv[++*i]);
	}
	return 0;
}

static int check_watch(struct context *c)
{
	if (c->o.interval_ms == 0) {
		return usage_error(c, "--interval must be more than 0");
	}
	if (c->o.interval_ms > 0 && c->command == &command_diagnose && !c->o.watch) {
		return usage_error(c, "--interval is for --watch");
	}
	if (c->o.watch && c->o.format == REPORT_JUNIT) {
		return usage_error(c, "--watch has no end at which 'junit' could be written: text, json or lines");
	}
	return 0;
}

static int check_arguments(struct context *c)
{
	const struct command *cmd = c->command;
	if (c->o.help) {
		return 0;
	}
	if (c->o.args.len < cmd->args_min) {
		return usage_error(c, "'%s' wants %s", cmd->name, cmd->arguments);
	}
	if (c->o.args.len > cmd->args_max) {
		return usage_error(c, "'%s' takes no argument '%s'", cmd->name, c->o.args.v[cmd->args_max]);
	}
	if (c->o.all && c->o.args.len > 0) {
		return usage_error(c, "--all-namespaces and the Service '%s' exclude each other",
				   c->o.args.v[0]);
	}
	int r = check_watch(c);
	return r == 0 ? node_options(c) : r;
}

static int parse_words(struct context *c, int argc, char **argv)
{
	bool only_args = false;
	for (int i = 0; i < argc; i++) {
		const char *text = argv[i];
		int r;
		if (only_args || text[0] != '-' || !text[1]) {
			r = array_push(&c->o.args, text);
		} else if (strcmp(text, "--") == 0) {
			only_args = true;
			continue;
		} else if (text[1] == '-') {
			r = parse_long(c, text + 2, argc, argv, &i);
		} else {
			r = parse_short(c, text + 1, argc, argv, &i);
		}
		if (r != 0) {
			return r;
		}
	}
	return 0;
}

int options_parse(struct context *c, int argc, char **argv)
{
	c->o.api.insecure_skip_tls_verify = -1;
	c->o.timeout_ms = -1;
	c->o.interval_ms = -1;
	c->o.try_ms = -1;
	int r = parse_words(c, argc, argv);
	if (c->o.all) {
		c->o.namespace_ = NULL; /* as in kubectl */
	}
	c->o.api.namespace_ = c->o.namespace_;
	c->o.api.as_groups = c->o.as_groups.v;
	c->o.api.nas_groups = c->o.as_groups.len;
	return r != 0 ? r : check_arguments(c);
}

/* ---- a command line that is wrong, or not finished ---- */

const struct opt *options_valued(const struct command *cmd, const char *word, const char **ret_value)
{
	const struct opt *row = NULL;
	const char *value = NULL;
	if (str_starts(word, "--")) {
		size_t len = strcspn(word + 2, "=");
		row = row_of_name(cmd, word + 2, len);
		value = word[2 + len] ? word + 3 + len : NULL;
	} else if (word[0] == '-') {
		for (const char *at = word + 1; *at && !(row && row->arg); at++) {
			row = row_of_letter(cmd, *at);
			value = !at[1] ? NULL : at + (at[1] == '=' ? 2 : 1);
		}
	}
	if (!row || !row->arg) {
		return NULL;
	}
	*ret_value = value;
	return row;
}

struct opt_place options_place(const struct command *cmd, int argc, char **argv)
{
	struct opt_place p = { NULL, false, 0 };
	for (int i = 0; i < argc; i++) {
		if (p.only_args || argv[i][0] != '-' || !argv[i][1]) {
			p.nargs++;
			continue;
		}
		const char *value;
		const struct opt *row = options_valued(cmd, argv[i], &value);
		p.only_args = strcmp(argv[i], "--") == 0;
		if (row && !value && ++i == argc) {
			p.pending = row;
		}
	}
	return p;
}

enum report_format options_guess_format(const struct command *command, int argc, char **argv)
{
	enum report_format format = REPORT_TEXT;
	const struct command *cmd = command && row_of_letter(command, 'o') ? command : &command_diagnose;
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *value;
		const struct opt *row = options_valued(cmd, argv[i], &value);
		if (row && !value && i + 1 < argc) {
			value = argv[++i];
		}
		if (row && value && row->letter == 'o') {
			int n = choice_index(value, strlen(value), row->choices);
			format = n < 0 ? format : (enum report_format)n;
		}
	}
	return format;
}
