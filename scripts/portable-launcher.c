/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lies under the program's name in the portable tar: runs lib/svcdoctor of its own folder with the loader and the libraries beside
 * it, whatever the machine itself has. It is linked statically and asks nothing of the machine but /proc or a path as its name. The
 * name by which it was called goes on: as kubectl-svcdoctor the program is a plugin.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOADER_ARGS 7 /* the loader, its options, the program */

static char folder[PATH_MAX], loader[PATH_MAX + 64], libraries[PATH_MAX + 64], program[PATH_MAX + 64];

/* The folder of this file, symbolic links followed. */
static int find_folder(const char *called)
{
	ssize_t n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	char *slash;

	if (n > 0)
		folder[n] = '\0';
	else if (!strchr(called, '/') || !realpath(called, folder))
		return -1;
	slash = strrchr(folder, '/');
	if (!slash)
		return -1;
	*slash = '\0';
	return 0;
}

/* The libraries here look for the certificates of authorities where Debian has them. */
static void find_certificates(void)
{
	static const char *const files[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
					     "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (access(files[i], R_OK) == 0) {
			if (i > 0)
				(void)setenv("SSL_CERT_FILE", files[i], 0);
			return;
		}
}

int main(int argc, char **argv)
{
	char **args = calloc((size_t)argc + LOADER_ARGS + 1, sizeof(*args));
	int n = 0;

	if (!args || find_folder(argc > 0 ? argv[0] : "") < 0) {
		(void)fprintf(stderr, "svcdoctor: cannot find its own folder: /proc is not there, and it was not called by its path\n");
		return 70;
	}
	(void)snprintf(loader, sizeof(loader), "%s/lib/ld-linux-x86-64.so.2", folder);
	(void)snprintf(libraries, sizeof(libraries), "%s/lib", folder);
	(void)snprintf(program, sizeof(program), "%s/lib/svcdoctor", folder);
	find_certificates();
	args[n++] = loader;
	args[n++] = (char *)"--inhibit-cache";
	args[n++] = (char *)"--library-path";
	args[n++] = libraries;
	args[n++] = (char *)"--argv0";
	args[n++] = argc > 0 ? argv[0] : (char *)"svcdoctor";
	args[n++] = program;
	for (int i = 1; i < argc; i++)
		args[n++] = argv[i];
	execv(loader, args);
	(void)fprintf(stderr, "svcdoctor: cannot run '%s': %s\n", loader, strerror(errno));
	return 70;
}
