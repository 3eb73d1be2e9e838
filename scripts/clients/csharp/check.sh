# Looks at the client instead of compiling it: what later versions may add to is a plain string, the rest has types.
set -ex
cd tasks/src/Org.OpenAPITools
grep -q 'public string Code ' Model/Problem.cs
grep -q 'public string Code ' Model/ValidationError.cs
grep -q 'public string In ' Model/ValidationError.cs
grep -q 'public string Kind ' Model/Change.cs
grep -q 'public Task? Task ' Model/Change.cs
grep -q 'public long Revision ' Model/Task.cs
grep -q 'public string? Description ' Model/Task.cs
grep -q 'TryPreconditionFailed(.*Problem? result)' Api/TasksApi.cs
