/** Templates that the documentation gives for `body`, by the service they are for. */
export const CHAT_BODIES = {
  slack: `{
  "text": "door {{door}}: {{event}}",
  "blocks": [{ "type": "section", "text": { "type": "plain_text", "text": "{{summary}}" } }]
}
`,
  discord: `{
  "content": "{{summary}}",
  "allowed_mentions": { "parse": [] }
}
`,
  teams: `{
  "type": "message",
  "attachments": [{
    "contentType": "application/vnd.microsoft.card.adaptive",
    "content": {
      "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
      "type": "AdaptiveCard",
      "version": "1.4",
      "body": [{ "type": "TextBlock", "text": "{{summary}}", "wrap": true }]
    }
  }]
}
`,
  ntfy: `{
  "topic": "doors",
  "title": "door {{door}}: {{event}}",
  "message": "{{summary}}",
  "tags": ["door"]
}
`,
} as const;
