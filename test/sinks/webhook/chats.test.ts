import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { GRANT, never, WebhookBench } from './bench.js';
import { CHAT_BODIES } from './chat-bodies.js';

const DOOR = 's"s\\h\n\u2028{{reason}}';
const REASON = `exec: "no"\t<!channel> @everyone ${'€'.repeat(5000)}`;
const CUT = `${[...REASON].slice(0, 1000).join('')}…`;
const SUMMARY = `door ${DOOR} FAILED for 192.0.2.7 on bastion: ${CUT}`;

/** What each service gets: the fields that its documentation names. */
const EXPECTED: Record<keyof typeof CHAT_BODIES, unknown> = {
  slack: {
    text: `door ${DOOR}: failed`,
    // plain_text: no <!channel> is one. At most 3,000 characters.
    blocks: [{ type: 'section', text: { type: 'plain_text', text: SUMMARY } }],
  },
  // No @everyone is one. At most 2,000 characters.
  discord: { content: SUMMARY, allowed_mentions: { parse: [] } },
  teams: {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          body: [{ type: 'TextBlock', text: SUMMARY, wrap: true }],
        },
      },
    ],
  },
  ntfy: { topic: 'doors', title: `door ${DOOR}: failed`, message: SUMMARY, tags: ['door'] },
};

describe('the bodies for chats', () => {
  let bench: WebhookBench;
  before(async () => {
    bench = await WebhookBench.create();
  });
  beforeEach(() => bench.fresh());
  after(() => bench.dispose());

  for (const [name, body] of Object.entries(CHAT_BODIES))
    it(`${name} gets what it takes, whatever the values hold`, async () => {
      await writeFile(bench.at(name), body);
      const sink = await bench.sink({ bodyFile: bench.at(name) });
      await sink.failed?.({ ...GRANT, door: DOOR }, REASON, never);
      const sent: unknown = JSON.parse(bench.receiver.requests[0]?.body ?? '');
      assert.deepEqual(sent, EXPECTED[name as keyof typeof CHAT_BODIES]);
      assert.ok(SUMMARY.length < 2000);
    });
});
