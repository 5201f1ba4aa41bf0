# postern as an image; docs/docker.md says how to run it and how this file is tested.

# What is needed to build stays here: compilers, TypeScript, npm's cache.
FROM node:20-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ libpcap-dev make python3 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# The headers that came with this Node; node-gyp would fetch them from the network.
ENV npm_config_nodedir=/usr/local
COPY .npmrc package.json package-lock.json ./
RUN npm ci
COPY LICENSE README.md tsconfig.json ./
COPY config config
COPY docs docs
COPY machines machines
COPY sinks sinks
COPY src src
# `install` takes the compiled code and those packages alone that are not for development.
RUN npm run build \
 && node dist/src/cli/postern.js install --root /image --as-knockd

FROM node:20-bookworm-slim
# Redis is postern's private one; conntrack is for kill_established; tini reaps what commands leave;
# with netbase, nft says tcp and not 6.
#
# Docker gives a user who is not root no rights, only the possibility to gain them (the bounding set).
# So a copy of setpriv carries the two rights that postern needs as file capabilities, and hands
# them on. It must be the first program of the container: then they hold under no-new-privileges too.
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
    conntrack iproute2 libcap2-bin libpcap0.8 netbase nftables redis-server tini util-linux \
 && groupadd --gid 10001 postern \
 && useradd --uid 10001 --gid postern --no-log-init --no-create-home \
    --home-dir /var/lib/postern --shell /usr/sbin/nologin postern \
 && install -D -o root -g postern -m 750 /usr/bin/setpriv /usr/local/libexec/postern-rights \
 && setcap cap_net_admin,cap_net_raw+p /usr/local/libexec/postern-rights \
 && install -d -o postern -g postern -m 700 /etc/postern /var/lib/postern \
 && apt-get purge -y --auto-remove libcap2-bin \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /image/usr/local/lib/postern /usr/local/lib/postern
COPY --from=build /image/usr/local/bin /usr/local/bin
ENV NODE_ENV=production
WORKDIR /
USER postern
# Journal and keys. A new named volume here belongs to the user postern, as this folder does.
VOLUME /var/lib/postern
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --start-interval=1s \
  CMD postern status > /dev/null
CMD ["/usr/local/libexec/postern-rights", \
     "--inh-caps", "+net_admin,+net_raw", "--ambient-caps", "+net_admin,+net_raw", "--no-new-privs", \
     "tini", "--", "postern", "run", "-c", "/etc/postern/knockd.conf"]
