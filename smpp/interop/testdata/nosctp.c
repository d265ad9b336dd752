/* For LD_PRELOAD: SCTP sockets become TCP ones. osmo-msc ends where its SGs interface
   cannot listen, and SGs is SCTP, which many kernels do not have. Nobody connects to it
   in the test. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#define BINDX_ADD 100 /* SCTP_SOCKOPT_BINDX_ADD of the kernel: how libsctp binds */

int socket(int domain, int type, int protocol)
{
	int (*real)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	return real(domain, type, protocol == IPPROTO_SCTP ? IPPROTO_TCP : protocol);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int (*real)(int, int, int, const void *, socklen_t) =
		(int (*)(int, int, int, const void *, socklen_t))dlsym(RTLD_NEXT, "setsockopt");
	if (level != IPPROTO_SCTP)
		return real(fd, level, name, value, len);
	return name == BINDX_ADD ? bind(fd, value, sizeof(struct sockaddr_in)) : 0;
}
