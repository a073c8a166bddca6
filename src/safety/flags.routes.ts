import { z } from 'zod'
import { PageLimit } from '../platform/http/cursor.ts'
import { Data, data, Page, page, UuidParam } from '../platform/http/envelope.ts'
import type { TypedApp } from '../platform/http/typed-app.ts'
import type { FlagsService } from './flags.service.ts'
import { SafetyFlagView, toSafetyFlagView } from './flags.ts'

const tags = ['Dashboard']
const FlagsQuery = z.strictObject({
  status: z.enum(['open', 'all']).default('open').meta({ description: '`open`: those that nobody has marked as seen' }),
  child_id: z.uuid().toLowerCase().optional(),
  limit: PageLimit(20),
  cursor: z.string().max(200).optional(),
})

/** What parents see of safety flags, and how they say that they have. */
export function registerFlagRoutes(app: TypedApp, flags: FlagsService): void {
  app.get(
    '/dashboard/flags',
    {
      config: { actor: 'parent', limit: 'dashboard', errors: ['CHILD_ACCESS_DENIED'] },
      schema: {
        tags,
        summary: 'List safety flags',
        description: 'Of all children, or of one, newest first; `conversation_id` leads to the words.',
        querystring: FlagsQuery,
        response: { 200: Page(SafetyFlagView) },
      },
    },
    async (request) => {
      const { flags: found, cursor } = await flags.list(request.caller.accountId, request.query)
      return page(request, found.map(toSafetyFlagView), cursor)
    },
  )

  app.post(
    '/dashboard/flags/:flag_id/acknowledge',
    {
      config: { actor: 'parent', limit: 'dashboard', errors: ['NOT_FOUND'] },
      schema: {
        tags,
        summary: 'Mark a safety flag as seen',
        description:
          'A flag of high severity is mailed to a verified address within a minute or two, with others of the same child that wait then, and once more after 24 hours unless it has been marked as seen. Again changes nothing: the first time stays.',
        params: UuidParam('flag_id'),
        response: { 200: Data(SafetyFlagView) },
      },
    },
    async (request) => data(request, toSafetyFlagView(await flags.acknowledge(request.caller.accountId, request.params.flag_id))),
  )
}
