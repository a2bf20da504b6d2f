/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svcdoctor __complete WORDS... LAST: what LAST, the word at the cursor, may become. The scripts of `svcdoctor completion` call it for
 * all three shells, and kubectl (1.26 and newer) as kubectl_complete-NAME. It answers as the __complete of kubectl itself does: a
 * candidate on each line, behind a tab what it means, and at the end a line ":N" with these bits:
 *
 *   2  no space behind the word     4  no names of files instead
 *
 * Commands, options and values come from the option tables, names of the cluster from complete-names.c. Whatever goes wrong gives no
 * candidates, and never a word in the middle of what somebody types. A name that a shell would have to quote is not offered.
 */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "cmd.h"

enum { NO_SPACE = 2, NO_FILES = 4 };
enum { SECONDS_MAX = 2 }; /* the shell waits */

struct completer {
	struct context *c;
	const char *typed;  /* of the word at the cursor: what candidates begin with */
	struct strbuf head; /* and what stands before that: "--node=" */
	struct strbuf lines;
	int directive;
};

/* Nothing a shell or a terminal would take for more than a letter. */
static bool is_plain(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-";
	return *s && !s[strspn(s, plain)];
}

static void offer(struct completer *x, const char *word, const char *help)
{
	if (!str_starts(word, x->typed) || !is_plain(word)) {
		return;
	}
	strbuf_addf(&x->lines, "%s%s", strbuf_str(&x->head), word);
	if (help) {
		strbuf_addf(&x->lines, "\t%s", help);
	}
	strbuf_addc(&x->lines, '\n');
}

/* The first @len characters of what is typed stand fast. */
static void move_head(struct completer *x, size_t len)
{
	strbuf_add(&x->head, x->typed, len);
	x->typed += len;
}

/* ---- names of the cluster ---- */

static void offer_name(void *arg, const char *name)
{
	offer(arg, name, NULL);
}

static void offer_namespace_slash(void *arg, const char *name)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_addf(&b, "%s/", name);
	offer(arg, strbuf_str(&b), NULL);
}

static void offer_names(struct completer *x, enum k8s_kind kind, const char *ns)
{
	complete_names(x->c, kind, ns, offer_name, x);
}

/* "NS/": the objects of that namespace; "svc/" and the like: of the run's. True when there was such a part. */
static bool offer_behind_slash(struct completer *x, enum k8s_kind kind, const char *const *words)
{
	size_t len = strcspn(x->typed, "/");
	if (!x->typed[len]) {
		return false;
	}
	char *ns = arena_strndup(&x->c->arena, x->typed, len);
	move_head(x, len + 1);
	if (!ns) {
		return true;
	}
	for (size_t i = 0; words[i]; i++) {
		if (strcmp(words[i], ns) == 0) {
			offer_names(x, kind, NULL);
			return true;
		}
	}
	if (is_k8s_name(ns)) {
		offer_names(x, kind, ns);
	}
	return true;
}

static void offer_services(struct completer *x)
{
	static const char *const words[] = { "svc", "service", "services", NULL };
	if (!offer_behind_slash(x, K8S_SERVICES, words) && !x->c->o.all) {
		offer_names(x, K8S_SERVICES, NULL);
	}
}

/* Where a packet comes from. */
static void offer_sources(struct completer *x)
{
	static const char *const words[] = { "pod", NULL };
	if (str_starts(x->typed, "node/")) {
		move_head(x, strlen("node/"));
		offer_names(x, K8S_NODES, NULL);
	} else if (!offer_behind_slash(x, K8S_PODS, words)) {
		offer(x, "outside", "any client outside the cluster");
		offer(x, "localhost", "the loopback address");
		offer_names(x, K8S_NODES, NULL);
	}
}

/* ---- values ---- */

static void offer_words(struct completer *x, const char *const *words)
{
	for (size_t i = 0; words[i]; i++) {
		offer(x, words[i], NULL);
	}
}

/* The last one of a list with commas. */
static void offer_list(struct completer *x, const char *const *words)
{
	const char *comma = strrchr(x->typed, ',');
	if (comma) {
		move_head(x, (size_t)(comma + 1 - x->typed));
	}
	offer_words(x, words);
	x->directive |= NO_SPACE;
}

/* CHECK or CHECK@NS/NAME. */
static void offer_checks(struct completer *x, bool of_service)
{
	const char *at = of_service ? strchr(x->typed, '@') : NULL;
	if (!at) {
		for (const struct check *k = check_catalogue; k->id; k++) {
			offer(x, k->id, k->title);
		}
		return;
	}
	static const char *const none[] = { NULL };
	move_head(x, (size_t)(at + 1 - x->typed));
	if (!offer_behind_slash(x, K8S_SERVICES, none)) {
		complete_names(x->c, K8S_NAMESPACES, NULL, offer_namespace_slash, x);
		x->directive |= NO_SPACE;
	}
}

/* @words: NULL where @complete tells. @nargs: how many arguments stand before, for those of a command. */
static void offer_values(struct completer *x, const char *const *words, enum opt_complete complete, bool is_option, size_t nargs)
{
	if (words) {
		offer_words(x, words);
		return;
	}
	switch (complete) {
	case COMPLETE_NOTHING:
		break;
	case COMPLETE_FILE:
		x->directive &= ~NO_FILES;
		break;
	case COMPLETE_CHECK:
		offer_checks(x, is_option);
		break;
	case COMPLETE_NAMESPACE:
		offer_names(x, K8S_NAMESPACES, NULL);
		break;
	case COMPLETE_NODE:
		if (*x->typed) {
			offer(x, "live", "this machine");
		}
		offer_names(x, K8S_NODES, NULL);
		break;
	case COMPLETE_SERVICE:
		offer_services(x);
		break;
	case COMPLETE_PLACE:
		nargs == 0 ? offer_sources(x) : offer_services(x);
		break;
	case COMPLETE_CONTEXT:
		complete_kubeconfig(x->c, API_CONTEXTS, offer_name, x);
		break;
	case COMPLETE_CLUSTER:
		complete_kubeconfig(x->c, API_CLUSTERS, offer_name, x);
		break;
	case COMPLETE_USER:
		complete_kubeconfig(x->c, API_USERS, offer_name, x);
		break;
	}
}

static void offer_option_values(struct completer *x, const struct opt *row)
{
	if (row->kind == OPT_AXES) {
		offer_list(x, row->choices);
	} else {
		offer_values(x, row->choices, row->complete, true, 0);
	}
}

/* ---- the word at the cursor ---- */

/* A command's own row goes before a shared one of the same name. */
static bool is_hidden(const struct command *cmd, size_t i)
{
	const struct opt *row = command_row(cmd, i);
	for (size_t before = 0; before < i; before++) {
		if (strcmp(command_row(cmd, before)->name, row->name) == 0) {
			return true;
		}
	}
	return !row->help;
}

static void offer_options(struct completer *x, const struct command *cmd)
{
	char letter[3] = "-";
	const struct opt *row;
	for (size_t i = 0; (row = command_row(cmd, i)); i++) {
		char *name = arena_printf(&x->c->arena, "--%s", row->name);
		if (!name || is_hidden(cmd, i)) {
			continue;
		}
		offer(x, name, row->help);
		if (row->letter && x->typed[1] != '-') {
			letter[1] = row->letter;
			offer(x, letter, row->help);
		}
	}
}

/* "--node=no", "-nsh" */
static bool offer_joined(struct completer *x, const struct command *cmd)
{
	const char *value;
	const struct opt *row = options_valued(cmd, x->typed, &value);
	if (!row || !value) {
		return false;
	}
	move_head(x, (size_t)(value - x->typed));
	offer_option_values(x, row);
	return true;
}

static void complete_word(struct completer *x, const struct command *cmd, int argc, char **argv)
{
	struct opt_place place = options_place(cmd, argc, argv);
	if (place.pending) {
		offer_option_values(x, place.pending);
	} else if (x->typed[0] == '-' && !place.only_args) {
		if (!offer_joined(x, cmd)) {
			offer_options(x, cmd);
		}
	} else if (place.nargs < cmd->args_max) {
		offer_values(x, cmd->values, cmd->complete, false, place.nargs);
	}
}

static void complete_command(struct completer *x)
{
	for (size_t i = 0; commands[i]; i++) {
		offer(x, commands[i]->name, commands[i]->help);
	}
	if (x->typed[0] == '-') {
		offer(x, "--help", "show the commands");
		offer(x, "--version", "show the version");
	}
}

/* ---- one run ---- */

/* The first alarm ends what is asked, so that what came is offered; the second one everything. */
static void on_alarm(int number)
{
	static const char end[] = ":4\n";
	(void)number;
	if (*signals_stop()) {
		_exit(write(STDOUT_FILENO, end, sizeof(end) - 1) < 0);
	}
	(void)raise(SIGTERM);
}

/* No words of ours, nor of a credential plugin, in the middle of what somebody types; nobody is asked; and no shell waits for ever. */
static void be_quiet_and_quick(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDERR_FILENO);
		(void)close(null);
	}
	signals_hold();
	(void)signal(SIGALRM, on_alarm);
	(void)alarm(SECONDS_MAX);
}

int complete_run(struct context *c, int argc, char **argv)
{
	struct completer x = { .c = c, .typed = argc > 0 ? argv[argc - 1] : "", .head = STRBUF_INIT, .lines = STRBUF_INIT, .directive = NO_FILES };
	be_quiet_and_quick();
	if (argc < 2) {
		complete_command(&x);
	} else if ((c->command = command_find(argv[0]))) {
		/* What stands before the cursor, as far as it can be read: the cluster or bundle to ask, the namespace. */
		(void)options_parse(c, argc - 2, argv + 1);
		complete_word(&x, c->command, argc - 2, argv + 1);
	}
	if (!x.lines.failed && !x.head.failed) {
		printf("%s:%d\n", strbuf_str(&x.lines), x.directive);
	}
	strbuf_release(&x.lines);
	strbuf_release(&x.head);
	if (*signals_stop()) { /* of which no shell shall hear */
		_exit(fflush(stdout) != 0);
	}
	return CODE_HEALTHY;
}
