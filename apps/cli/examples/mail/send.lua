local function handle(event)
  local template = event.templates[event.name]
  if not template then
    return nil, "there is no mail for " .. event.name
  end
  return event.mailer.send(event.to, template.subject[event.locale] or template.subject.en, template.source)
end

return { handle = handle }
