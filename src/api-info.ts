import type { OpenapiInfo } from './platform/http/openapi.ts'

/** The head of the OpenAPI document. */
export const API: OpenapiInfo = {
  title: 'BrainSpark API',
  version: '1.0.0',
  description: `The server behind an AI thinking companion for children of 4 to 12 and the parents who must be able to trust it.

**Tokens.** A parent registers or logs in and gets an access token (24 hours) and a refresh token. With it every parent endpoint works, and every child endpoint with the header \`X-Child-ID\`. \`POST /v1/children/{child_id}/activate\` gives a child token: it speaks for that child alone, needs no header, and opens no parent endpoint.

**Answers** are \`{ data, meta }\`; \`meta.request_id\` is also the header \`X-Request-ID\`. **Refusals** are \`{ error }\` with a code of section 8 of the contract, the faulty fields in \`details\`, and on child endpoints a \`child_message\` with its animation. Unknown fields are refused (400), bodies over 64 KiB too (413).

**Order of refusals**: token, child access, request shape, existence, restricted topic, bedtime and time budget, locked topic, state.

**Sending again.** Every POST takes an \`Idempotency-Key\`; its first answer is given again for 24 hours.

**Time and stars.** Learning time is the time between a child's events on all devices together, two minutes at most for each pause, split at local midnight, floored to minutes for display. A conversation's stars are 5 x (depth reached - best depth already paid for that topic that day), at most 150 a day.`,
  tags: [
    { name: 'Authentication', description: 'Accounts, sessions and tokens (section 2)' },
    { name: 'Parents', description: "The parent's profile (section 3.1)" },
    { name: 'Children', description: "Children's profiles (section 3.2)" },
    { name: 'Topics', description: 'Topics and the constellation (section 3.3)' },
    { name: 'Conversations', description: 'Talking with the tutor (section 4)' },
    { name: 'Brain spark', description: 'One question a day (sections 4.5 and 4.6)' },
    { name: 'Progress', description: 'What a child has done (section 5)' },
    { name: 'Rewards', description: 'Streaks, stars, badges and the shop (section 6)' },
    { name: 'Dashboard', description: "The parent's view and controls (section 7)" },
    { name: 'Session', description: "What a child's device needs to know" },
    { name: 'Live', description: 'Live events (section 10)' },
    { name: 'Operations', description: 'Health and metrics' },
  ],
}
