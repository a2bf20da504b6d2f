/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_PROXY_PRIVATE_H
#define SVCDOCTOR_PROXY_PRIVATE_H

/*
 * What kube-proxy says of itself by its ports, and its processes: the readers of these files of a node, whether they come from a bundle, from this
 * machine (proxy-ask.c) or through an API server (live-facts.c). Texts need not be NUL-terminated. 0 (also with a note) or -ENOMEM.
 */

#include <svcdoctor/snapshot.h>

enum { PROXY_HEALTHZ_PORT = 10256, PROXY_METRICS_PORT = 10249 }; /* pkg/cluster/ports/ports.go */

/* proxy-metrics.c: /metrics, the text form of Prometheus. What was read before is forgotten. */
int proxy_metrics_read(struct arena *arena, const char *data, size_t size, struct snap_proxy *p);

/* proxy-health.c: /healthz and /livez, of every version. */
int proxy_health_read(struct snapshot *s, struct snap_proxy *p, enum snap_proxy_port port, const char *data, size_t size, const char *file);
/* kube-proxy-http.txt: "healthz 503", "metrics refused", "proxyMode unreachable (no route to host)". */
int proxy_http_read(struct snapshot *s, struct snap_proxy *p, const char *data, size_t size, const char *file);
/* A line of that file. @error: of PORT_UNREACHABLE; NULL. */
void proxy_http_line(struct strbuf *b, enum snap_proxy_port port, enum snap_port_end end, int status, const char *error);
/* A file with the answer of @port was there; what kube-proxy-http.txt says of it counts before that. */
void proxy_port_answered(struct snap_proxy *p, enum snap_proxy_port port, int status);

/* Where a server of kube-proxy is, as flags and configuration say it: "0.0.0.0:10256", "[::1]:10249", an address alone. @ret_addr: family 0: all. */
bool proxy_parse_bind(const char *text, uint16_t def, struct ip_addr *ret_addr, uint16_t *ret_port);
/* proxy-live.c: is this what @port answers? Of /configz what other programs have there is cut from @b. */
bool proxy_is_answer(enum snap_proxy_port port, struct strbuf *b);

/* proxy-process.c: ps.txt, `ps -C kube-proxy -o pid=,etimes=,args=`. */
int proxy_ps_read(struct snapshot *s, struct snap_proxy *p, const char *data, size_t size, const char *file);
/* Is a process with this command line kube-proxy, or (@ret_inside) a program that has it inside? */
bool proxy_command(const char *command, size_t len, const char **ret_inside);

#endif
