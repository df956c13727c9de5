import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';

/** A load balancer that sends every request to the next server in turn, whatever connection it came on. */
export interface RoundRobin {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Requests that each server was given, in the order of the servers. */
  readonly counts: readonly number[];
}

/**
 * Starts a balancer in front of these servers; it stops when the test ends. Bodies are streamed both ways, header lines
 * pass as they are, `Host` too, so that the servers make URLs that lead back here.
 */
export async function startRoundRobin(
  t: { after(work: () => Promise<void>): void },
  servers: readonly { readonly port: number }[],
): Promise<RoundRobin> {
  const agent = new http.Agent({ keepAlive: true });
  const counts = servers.map(() => 0);
  let turn = 0;

  const balancer = http.createServer((incoming, outgoing) => {
    const at = turn++ % servers.length;
    counts[at] = (counts[at] ?? 0) + 1;
    const onward = http.request({
      agent,
      host: '127.0.0.1',
      port: servers[at]?.port,
      method: incoming.method,
      path: incoming.url,
      headers: linesToPass(incoming.rawHeaders),
    });
    onward.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.statusMessage, linesToPass(answer.rawHeaders));
      pipeline(answer, outgoing, () => undefined);
    });
    onward.on('error', (error) => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(502, { 'content-type': 'text/plain' }).end(`${error.message}\n`);
    });
    incoming.on('error', () => onward.destroy());
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) onward.destroy();
    });
    // Not a pipeline: a server that answers before it has read everything must not take its answer with it.
    incoming.pipe(onward);
  });
  balancer.requestTimeout = 0;

  await new Promise<void>((resolve) => balancer.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    agent.destroy();
    balancer.closeAllConnections();
    await new Promise((resolve) => balancer.close(resolve));
  });
  return { url: `http://127.0.0.1:${(balancer.address() as AddressInfo).port}`, counts };
}

/** Without what concerns one connection only. The balancer itself has asked for the body of `Expect: 100-continue`. */
function linesToPass(lines: readonly string[]): string[] {
  const own = new Set(['connection', 'keep-alive', 'expect', 'te', 'upgrade']);
  return lines.filter((_, at) => !own.has(lines[at - (at % 2)]?.toLowerCase() ?? ''));
}
