# Puts the program's folder on the user's own PATH, or takes it from there. Other entries stay as they were written, variables included.
param([Parameter(Mandatory)][string] $Folder, [switch] $Remove)
$key = [Microsoft.Win32.Registry]::CurrentUser.OpenSubKey('Environment', $true)
$kept = 'DoNotExpandEnvironmentNames'
$entries = @($key.GetValue('Path', '', $kept) -split ';' | Where-Object { $_ -and $_.TrimEnd('\') -ne $Folder.TrimEnd('\') })
if (-not $Remove) { $entries += $Folder }
$key.SetValue('Path', ($entries -join ';'), 'ExpandString')
$key.Close()
