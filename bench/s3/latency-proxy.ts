/**
 * A server further away: passes TCP connections on, and what comes waits half of the round trip
 * in each direction. One line tells the port. It ends with its standard input.
 * usage: node dist/bench/s3/latency-proxy.js PORT ROUND-TRIP-MS
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

const [port = 0, roundTripMs = 0] = process.argv.slice(2).map(Number);
/** As large a window as a fast line over a long way has. */
const underWayMax = 16 * 1024 * 1024;

function pass(from: Socket, to: Socket): void {
  let underWay = 0;
  from.on("data", (bytes) => {
    underWay += bytes.length;
    if (underWay > underWayMax) from.pause();
    setTimeout(() => {
      to.write(bytes, () => {
        underWay -= bytes.length;
        if (underWay <= underWayMax) from.resume();
      });
    }, roundTripMs / 2);
  });
  from.on("end", () => setTimeout(() => to.end(), roundTripMs / 2));
  from.on("error", () => to.destroy());
  from.on("close", () => setTimeout(() => to.destroy(), roundTripMs));
}

const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
  const far = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  pass(near, far);
  pass(far, near);
});
server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
process.stdin.on("end", () => process.exit()).resume();
