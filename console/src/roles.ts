/** Which roles hold a permission that pages ask for: said to readers whose own do not suffice. A test compares it with the service's roles. */
const ROLES: Readonly<Record<string, readonly string[]>> = {
  'map:read': ['viewer', 'analyst', 'officer', 'regulator', 'auditor', 'owner'],
  'terminals:read': ['viewer', 'analyst', 'officer', 'regulator', 'auditor', 'owner'],
  'satellites:read': ['viewer', 'analyst', 'officer', 'regulator', 'auditor'],
  'verifications:read': ['viewer', 'analyst', 'officer', 'regulator', 'auditor', 'owner'],
  'verifications:draw': ['viewer', 'analyst', 'officer', 'auditor'],
  'interference:read': ['viewer', 'analyst', 'officer', 'auditor'],
  'cases:read': ['analyst', 'officer', 'auditor'],
  'cases:write': ['analyst', 'officer'],
  'rulebooks:read': ['viewer', 'analyst', 'officer', 'regulator', 'auditor'],
  'rulebooks:compare': ['viewer', 'analyst', 'officer', 'auditor'],
  'rulebooks:check': ['analyst', 'officer'],
  'whatif:run': ['analyst', 'officer'],
  'proposals:read': ['analyst', 'officer', 'regulator', 'auditor'],
  'proposals:write': ['analyst', 'officer'],
  'charter:read': ['analyst', 'officer', 'regulator', 'auditor'],
  'reviews:read': ['analyst', 'officer', 'auditor'],
  'oversight:run': ['analyst', 'officer', 'regulator', 'auditor'],
  'requests:write': ['officer'],
  'contacts:write': ['officer'],
  'emergencies:write': ['officer'],
  'requests:read': ['analyst', 'officer', 'regulator', 'auditor'],
  'contacts:read': ['analyst', 'officer', 'auditor'],
  'appeals:read': ['analyst', 'officer', 'auditor'],
  'appeals:own': ['owner'],
  'emergencies:read': ['analyst', 'officer', 'regulator', 'auditor'],
  'lists:read': ['analyst', 'officer', 'auditor'],
  'screenings:run': ['analyst', 'officer'],
  'reports:read': ['analyst', 'officer', 'auditor'],
  'dossiers:read': ['analyst', 'officer', 'regulator', 'auditor', 'owner'],
  'dossiers:run': ['analyst', 'officer', 'regulator', 'auditor', 'owner'],
  'ledger:read': ['viewer', 'analyst', 'officer', 'regulator', 'auditor', 'administrator'],
  'status:read': ['viewer', 'analyst', 'officer', 'auditor', 'ingest', 'administrator'],
};

export const ASKED: readonly string[] = Object.keys(ROLES);

export function rolesThatMay(permission: string): readonly string[] {
  return ROLES[permission] ?? [];
}
