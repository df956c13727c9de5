/** Secrets of the configuration and of requests stand in nothing that the registry says, whatever the form of its log. */
import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { stablePort } from '../support/apiserver-process.ts';
import { eventually } from '../support/eventually.ts';
import { connect, head } from '../support/torn.ts';
import { type Observed, spawnObserved, startObserved } from './observed.ts';

/** Each is found nowhere else, so that a hit tells which one it was. */
const secret = (what: string): string => `hunter2-${what}-0123456789`;

const signature = (what: string): string => encodeURIComponent(secret(what));

/** What a client may send of secrets: the head of a request for each. */
const requests = (state: string): readonly string[] => [
  head('GET /v2/', `Authorization: Basic ${Buffer.from(`ann:${secret('basic')}`).toString('base64')}`),
  head('GET /v2/', `Authorization: Bearer ${secret('bearer')}`),
  head('GET /v2/', `Cookie: session=${secret('cookie')}`, `X-Registry-Auth: ${secret('x-registry-auth')}`),
  head(`GET /v2/app/blobs/uploads/u?_state=${state}`),
  head(`PATCH /v2/app/blobs/uploads/u?digest=sha256:0&_state=${signature('state')}`),
  head(`PATCH /v2/app/blobs/uploads/u?%5Fstate=${signature('encoded-state')}`),
  head(`GET /v2/app/manifests/x?access_token=${secret('token')}&X-Amz-Signature=${secret('aws')}`),
  head(`GET /v2/app/manifests/x?sig=${secret('sas')}&Signature=${secret('cloudfront')}&Policy=${secret('policy')}`),
  head('GET /v2/app/manifests/x', `Referer: https://ui:${secret('referer')}@ui.example/a?session=${secret('session')}`),
  head('GET /v2/app/manifests/x', `User-Agent: odd https://ann:${secret('agent')}@host/`),
  head(`GET http://ann:${secret('absolute')}@127.0.0.1/v2/`),
  head(`GET /nowhere?password=${secret('unrouted')}`),
  head(`GET /v2/%ff?token=${secret('malformed')}`),
];

async function everythingSaid(server: Observed): Promise<string> {
  const pages = ['/debug/vars', '/debug/health', '/metrics', '/readyz', '/debug/pprof/', '/debug/pprof/cmdline'];
  const texts = await Promise.all(pages.map(async (page) => (await fetch(`${server.debug}${page}`)).text()));
  return [server.stdout(), server.stderr(), ...texts].join('\n');
}

async function configuredWithSecrets(t: TestContext, formatter: string): Promise<Observed> {
  const nobody = await stablePort();
  return startObserved(t, {
    config: {
      log: { level: 'debug', formatter, fields: { service: 'registry', apikey: secret('field') } },
      storage: { inmemory: {}, cache: { blobdescriptor: 'redis' } },
      redis: {
        addrs: [`127.0.0.1:${nobody}`],
        username: 'registry',
        password: secret('redis'),
        sentinelpassword: secret('sentinel'),
      },
      http: { secret: secret('http') },
      health: {
        http: [
          {
            uri: `http://ann:${secret('uri')}@127.0.0.1:${nobody}/?token=${secret('uri-query')}`,
            headers: { Authorization: [`Bearer ${secret('header')}`], 'X-Key': [secret('custom-header')] },
            interval: '1s',
          },
        ],
      },
      notifications: {
        endpoints: [
          {
            name: 'listener',
            url: `https://ann:${secret('endpoint')}@listener.example/?key=${secret('endpoint-query')}`,
            headers: { Authorization: [`Bearer ${secret('endpoint-header')}`] },
          },
        ],
      },
      reporting: { bugsnag: { apikey: secret('bugsnag') }, newrelic: { licensekey: secret('newrelic') } },
    },
    env: { REGISTRY_REDIS_PASSWORD: secret('environment'), REGISTRY_UNKNOWN_PASSWORD: secret('unknown') },
  });
}

suite('no secret is told', () => {
  for (const formatter of ['text', 'json', 'logstash']) {
    test(`by a log as ${formatter}, the access log, the debug server`, async (t) => {
      const server = await configuredWithSecrets(t, formatter);
      const begun = await fetch(`${server.url}/v2/app/blobs/uploads/`, { method: 'POST' });
      const state = new URL(begun.headers.get('location') ?? '').searchParams.get('_state') ?? '';
      assert.ok(state.length > 40);
      const asked = requests(encodeURIComponent(state));
      for (const request of asked) {
        const connection = await connect(server.port);
        await connection.send(request);
        await connection.answers(1);
        connection.tear();
      }
      // The check by HTTP fails, and so becomes part of what is told.
      await eventually(async () => assert.equal((await fetch(`${server.debug}/debug/health`)).status, 503));
      await eventually(() => {
        const lines = server.stdout().split('\n').length - 1;
        assert.ok(lines >= asked.length, `${lines} lines in the access log:\n${server.stdout()}`);
      });
      await sleep(100);
      const said = await everythingSaid(server);
      assert.match(said, /\[redacted\]/, 'the secrets came by');
      assert.deepEqual(said.match(/hunter2-[a-z-]+/g) ?? [], []);
      assert.ok(!said.includes(Buffer.from(`ann:${secret('basic')}`).toString('base64')));
      assert.ok(!said.includes(state.slice(0, 43)), 'the signature of the state');
      server.signal('SIGTERM');
      await server.ended;
      assert.doesNotMatch(server.stderr() + server.stdout(), /hunter2/);
    });
  }
});

test('a configuration that is refused is refused without its secrets', async (t) => {
  const server = await spawnObserved(t, {
    config: {
      storage: { inmemory: {}, s3: { accesskey: secret('accesskey'), secretkey: [secret('secretkey')] } },
      redis: { password: { wrong: secret('redis') } },
      proxy: { remoteurl: `https://ann:${secret('remoteurl')}@upstream.example` },
      http: { secret: { wrong: secret('http') } },
    },
  });
  assert.equal(await server.ended, 1);
  assert.match(server.stderr(), /redis\.password/);
  assert.doesNotMatch(server.stderr() + server.stdout(), /hunter2/);
});
