/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * getaddrinfo() of the libc that it is built with, for test_libc_queries.py: for each line "FOLDER NAME" of stdin, the name in hexadecimal,
 * a child sees FOLDER as /etc and prints "LINE RESULT ADDRESS...", where RESULT is what getaddrinfo() gave, or "signal N". Many at once.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AT_ONCE = 250, LINES_MAX = 4096 };

static void ask(size_t line, const char *folder, const char *hex)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list = NULL;
	char name[2048], out[4000], text[INET6_ADDRSTRLEN];
	size_t len = 0, n;
	unsigned byte;
	int r;

	for (; *hex && sscanf(hex, "%2x", &byte) == 1 && len + 1 < sizeof(name); hex += 2)
		name[len++] = (char)byte;
	name[len] = 0;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount(folder, "/etc", NULL, MS_BIND, NULL) < 0) {
		perror("getaddrinfo: mount");
		_exit(3);
	}
	r = getaddrinfo(name, NULL, &hints, &list);
	n = (size_t)snprintf(out, sizeof(out), "%zu %d", line, r);
	for (struct addrinfo *i = list; i && n + sizeof(text) + 2 < sizeof(out); i = i->ai_next) {
		void *a = i->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)i->ai_addr)->sin_addr :
						    (void *)&((struct sockaddr_in6 *)i->ai_addr)->sin6_addr;
		n += (size_t)snprintf(out + n, sizeof(out) - n, " %s", inet_ntop(i->ai_family, a, text, sizeof(text)));
	}
	out[n++] = '\n';
	_exit(write(1, out, n) == (ssize_t)n ? 0 : 3);
}

static pid_t pids[LINES_MAX];

/* Waits for one child; what its end says. */
static int one_ended(size_t n)
{
	int status;
	pid_t pid = wait(&status);

	for (size_t i = 0; i < n && WIFSIGNALED(status); i++) {
		if (pids[i] == pid)
			dprintf(1, "%zu signal %d\n", i, WTERMSIG(status));
	}
	return WIFSIGNALED(status) ? 0 : WEXITSTATUS(status);
}

int main(void)
{
	static char line[8192], folder[4096], hex[4096];
	size_t n = 0, running = 0;
	int bad = 0;

	while (n < LINES_MAX && fgets(line, sizeof(line), stdin)) {
		hex[0] = 0;
		if (sscanf(line, "%4095s %4095s", folder, hex) < 1)
			return 3;
		pids[n] = fork();
		if (pids[n] < 0)
			return 3;
		if (pids[n] == 0)
			ask(n, folder, hex);
		n++;
		if (++running == AT_ONCE) {
			bad |= one_ended(n);
			running--;
		}
	}
	for (; running; running--)
		bad |= one_ended(n);
	return bad;
}
