/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes of kube-proxy on a node, ps.txt: `ps -C kube-proxy -o pid=,etimes=,args=`, for each a line with its number, how many seconds it has run
 * ("-": that is not known) and its command line. Programs that have kube-proxy in them are told by their own name.
 */

#include <errno.h>

#include "bundle-private.h"
#include "proxy-private.h"

enum { LINES_MAX = 1000, PROCESSES_KEPT = 32, COMMAND_MAX = 16 << 10 };

struct word {
	const char *s;
	size_t len;
};

static struct word next_word(const char **at, const char *end)
{
	struct word w;

	while (*at < end && (**at == ' ' || **at == '\t'))
		++*at;
	w.s = *at;
	while (*at < end && **at != ' ' && **at != '\t' && **at != '\r')
		++*at;
	w.len = (size_t)(*at - w.s);
	return w;
}

static bool word_is(struct word w, const char *s)
{
	return w.len == strlen(s) && memcmp(w.s, s, w.len) == 0;
}

static struct word base_of(struct word w)
{
	const char *slash = w.len ? memrchr(w.s, '/', w.len) : NULL;

	return slash ? (struct word){ slash + 1, (size_t)(w.s + w.len - slash - 1) } : w;
}

/* k3s turns its kube-proxy off by this flag (pkg/cli/cmds/server.go). */
static bool has_no_proxy(const char *at, const char *end)
{
	for (struct word w; (w = next_word(&at, end)).len;)
		if (word_is(w, "--disable-kube-proxy") || word_is(w, "--disable-kube-proxy=true"))
			return true;
	return false;
}

/*
 * hyperkube (until 1.18) is many programs, named by its first argument; "k3s server" and "k3s agent" hold kube-proxy, other commands of k3s do not;
 * kubelite of MicroK8s holds all of Kubernetes.
 */
bool proxy_command(const char *command, size_t len, const char **ret_inside)
{
	const char *at = command, *end = command + len;
	struct word program = base_of(next_word(&at, end)), first;
	const char *rest = at;

	first = next_word(&at, end);
	*ret_inside = NULL;
	if (word_is(program, "kube-proxy"))
		return true;
	if (word_is(program, "hyperkube") && (word_is(first, "proxy") || word_is(first, "kube-proxy")))
		*ret_inside = "hyperkube";
	else if (word_is(program, "k3s") && (word_is(first, "server") || word_is(first, "agent")) && !has_no_proxy(rest, end))
		*ret_inside = "k3s";
	else if (word_is(program, "k3s-server") || word_is(program, "k3s-agent")) /* as it calls itself */
		*ret_inside = "k3s";
	else if (word_is(program, "kubelite"))
		*ret_inside = "kubelite";
	return *ret_inside != NULL;
}

static bool is_of_many(const char *at, const char *end)
{
	struct word program = base_of(next_word(&at, end));

	return word_is(program, "hyperkube") || word_is(program, "k3s");
}

static int take_process(struct snapshot *s, struct snap_proxy *p, struct word pid, struct word seconds, const char *at, const char *end)
{
	struct snap_process v = { .seconds = -1 };
	uint64_t n;

	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && (end[-1] == ' ' || end[-1] == '\r'))
		end--;
	if (p->processes.len >= PROCESSES_KEPT || parse_uint(pid.s, pid.len, UINT32_MAX, &n) < 0 || n == 0 || at == end)
		return 0;
	v.pid = (uint32_t)n;
	if (parse_uint(seconds.s, seconds.len, INT32_MAX, &n) == 0)
		v.seconds = (int64_t)n;
	/* ps was asked for the name: it is kube-proxy, whatever the command line says, unless that is a program of many */
	if (!proxy_command(at, (size_t)(end - at), &v.inside) && is_of_many(at, end))
		return 0;
	v.command = arena_strndup(&s->arena, at, MIN((size_t)(end - at), (size_t)COMMAND_MAX));
	v.command = v.command ? arena_clean(&s->arena, v.command) : NULL;
	return v.command ? array_push(&p->processes, v) : -ENOMEM;
}

static int take_flags(struct snapshot *s, struct snap_proxy *p)
{
	struct kube_proxy_config *c = &p->flags_config;
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->processes.len && !c->known; i++)
		if (!p->processes.v[i].inside)
			r = proxy_config_from_command(&s->arena, p->processes.v[i].command, c);
	return r == -ENOMEM ? r : 0;
}

int proxy_ps_read(struct snapshot *s, struct snap_proxy *p, const char *data, size_t size, const char *file)
{
	uint32_t line = 0;
	int r = 0;

	p->processes_known = true;
	p->processes.len = 0;
	for (size_t at = 0; r == 0 && at < size && line < LINES_MAX;) {
		const char *nl = memchr(data + at, '\n', size - at), *from = data + at, *end = nl ? nl : data + size;
		struct word pid = next_word(&from, end), seconds = next_word(&from, end);

		line++;
		at = (size_t)(end - data) + 1;
		if (pid.len && (pid.s[0] < '0' || pid.s[0] > '9'))
			sd_note_add(&s->notes, false, "bad-line", file, line, 1, "ps -C kube-proxy -o pid=,etimes=,args=", "this is no line of a process");
		else if (pid.len)
			r = take_process(s, p, pid, seconds, from, end);
	}
	return r < 0 ? r : take_flags(s, p);
}
