# A static binary in an image with nothing else in it.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/usr/local/bin/starhash ./cmd/starhash \
 && mkdir -p /out/data /out/etc/keys /out/etc/starhash \
 && cp -r configs/gateway.yaml configs/bank.yaml configs/smsc.yaml configs/try /out/etc/starhash/

FROM scratch
COPY --from=build /out/usr /usr
# 65532 is not root, and owns what a role may write: its data and key files.
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build --chown=65532:65532 /out/etc /etc
USER 65532:65532
ENV PATH=/usr/local/bin TMPDIR=/data
WORKDIR /data
# 2775 SMPP of the simulator, 8080 its management port, 8443 the sealed link.
EXPOSE 2775 8080 8443
# The gateway's, the bank's and the simulator's port: whichever is open here tells.
HEALTHCHECK --interval=5s --timeout=3s --start-period=15s CMD ["/usr/local/bin/starhash", "health", \
  "http://127.0.0.1:9090/readyz", "http://127.0.0.1:9091/readyz", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["/usr/local/bin/starhash"]
CMD ["demo", "--headless"]
