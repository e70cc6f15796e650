import plugin from 'fastify-plugin'

/** JSON and nothing else, unless a route's own scope says otherwise; an empty body is no body, as many clients send it. */
export default plugin(
  async (app) => {
    const parseJson = app.getDefaultJsonParser('error', 'error')
    app.removeAllContentTypeParsers()
    app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
      if (body === '') done(null, undefined)
      else parseJson(request, body, done)
    })
  },
  { name: 'bodies' },
)
